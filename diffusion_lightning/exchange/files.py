"""Tensors of other codes' files, read without running anything that the files contain."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.errors import UserError, first_line

INSTEAD = (
    "load it where you trust it, in a process of your own, and save its state_dict() with safetensors or "
    "torch.save; or take the model in diffusers' format"
)
"""The way round pickled code."""


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a state dict that `torch.save` wrote.

    Raises:
        UserError: if the file is damaged, holds pickled code, or anything but named tensors.
    """
    return named_tensors(read_file(file), file)


def read_file(file: Path) -> Any:
    """What a file holds: tensors and plain containers.

    Raises:
        UserError: if the file is damaged, or holds pickled code.
    """
    return _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)


def named_tensors(state: Any, file: Path) -> dict[str, Tensor]:
    """The state dict that a file holds.

    Raises:
        UserError: if it holds anything but named tensors.
    """
    if not isinstance(state, dict) or not state or not all(map(torch.is_tensor, state.values())):
        raise UserError(f"{file} holds no state dict: its values are not all tensors.")
    return {str(name): tensor for name, tensor in state.items()}


@contextmanager
def understood(file: Path) -> Iterator[None]:
    """A context in which whatever a strange file makes of our readers becomes one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{file} cannot be understood ({type(error).__name__}: {first_line(error)})."
        ) from None


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except Exception as error:  # whatever a damaged file makes of the parser
        raise UserError(f"{file} is truncated or damaged ({first_line(error)}).") from None


def _pickled(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(f"{file} is refused: it holds pickled code, which is never run; {INSTEAD}.") from None
    except Exception as error:  # whatever a damaged file makes of the parsers
        raise UserError(f"{file} is truncated or damaged ({first_line(error)}).") from None
