"""A file with a state dict of another code → a model of ours."""

from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.files import INSTEAD, named_tensors, read_file
from diffusion_lightning.exchange.improved_diffusion import ImprovedDiffusion
from diffusion_lightning.exchange.origin import Asked, Imported, StateDict
from diffusion_lightning.exchange.pytorch_ddpm import PytorchDDPM

CODES: tuple[StateDict, ...] = (PytorchDDPM(), ImprovedDiffusion())

AVERAGED = "ema_model"
"""The entry of pytorch-ddpm's files with the averaged weights, beside the optimizer and the like."""


def read_state_dict(file: Path, asked: Asked) -> Imported:
    """The model in a file, of the code whose names its tensors have.

    Raises:
        UserError: if the file is damaged, holds pickled code or other tensors, or our classes cannot express
            the model; it says what.
    """
    if file.suffix == ".pkl":
        raise UserError(f"{file} is refused: a .pkl holds pickled code, which is never run; {INSTEAD}.")
    held = read_file(file)
    state = named_tensors(held.get(AVERAGED, held) if isinstance(held, dict) else held, file)
    for code in CODES:
        if imported := code(state, asked):
            return imported
    known = ", ".join(type(code).__name__ for code in CODES)
    raise UserError(
        f"{file} holds tensors by names such as {min(state)}, which are those of no code that is known here "
        f"({known}); take the model in diffusers' format."
    )
