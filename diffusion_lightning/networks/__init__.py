"""Networks: (x_t (B, C, H, W), T t (B,), labels (B,)) → (B, C, H, W)."""

from diffusion_lightning.networks.unet import UNet

__all__ = ["UNet"]
