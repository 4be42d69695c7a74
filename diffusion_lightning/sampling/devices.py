"""The device that a caller names."""

import torch

from diffusion_lightning.errors import UserError
from diffusion_lightning.speed import device_type


def available_device(name: str) -> str:
    """The device of that name ("cpu", "cuda", "cuda:1", …); "auto" is a GPU if there is one.

    Raises:
        UserError: if it is not available.
    """
    if name == "auto":
        return device_type(name)
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"device={name} is not available here ({reason}); try device=auto.") from None
    return name
