"""Networks: (x_t (B, *), T t (B,), labels (B,)) → (B, *). `base.py` says what one must have and may offer."""

from diffusion_lightning.networks.mlp import MLP
from diffusion_lightning.networks.unet import UNet

__all__ = ["MLP", "UNet"]
