"""A trained denoiser as a program of torch.export, which runs without this package."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from diffusion_lightning.exchange.base import Exported, Format
from diffusion_lightning.exchange.program import traced
from diffusion_lightning.exchange.walk import WALK, walk_facts
from diffusion_lightning.files import write_json

FILE = "denoiser.pt2"


@dataclass(frozen=True)
class TorchExport(Format):
    """`denoiser.pt2`, (x_t, t, y) → x0 for any batch size, and `denoiser.json` with the walk's numbers.

    What is written holds a graph and tensors. `torch.export.load` would also run a pickle that somebody put
    into such a file, so it is for files that one has written oneself; this package reads none.
    """

    def __call__(self, exported: Exported, out: Path) -> str:
        """Write both files.

        Raises:
            UserError: if the network cannot be traced.
        """
        program = traced(exported.denoiser, exported.shape)
        facts = walk_facts(exported)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own parts
            torch.export.save(program, out / FILE)
        write_json(facts, out / WALK)
        return f"torch.export.load('{FILE}').module(); {WALK} has the numbers of the walk"
