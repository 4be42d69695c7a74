"""What all programs of one run have in common."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
"""What was measured of one program, for the JSON: `seconds` of each step, all else of one."""


@dataclass(frozen=True)
class Settings:
    """How everything is measured.

    Args:
        device: cpu or cuda.
        batch: images a step, in place of each case's own.
        quick: so few steps that the figures mean nothing, but everything has run.
    """

    device: str = "cpu"
    batch: int | None = None
    quick: bool = False

    @staticmethod
    def add_to(parser: ArgumentParser) -> None:
        """Give the parser their options."""
        parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
        parser.add_argument("--batch", type=int, help="images a step, in place of each case's own")
        parser.add_argument("--quick", action="store_true", help="few steps, to see that all runs")

    @classmethod
    def of(cls, arguments: Namespace) -> "Settings":
        """Those that were parsed."""
        return cls(arguments.device, arguments.batch, arguments.quick)

    def arguments(self) -> list[str]:
        """The options that say the same."""
        batch = [] if self.batch is None else ["--batch", str(self.batch)]
        return ["--device", self.device, *batch, *(["--quick"] if self.quick else [])]


@dataclass(frozen=True)
class Case:
    """A data set's images, and how many of them make a step.

    Args:
        shape: (C, H, W).
        batch, gpu_batch: images a step on a CPU and on a GPU.
        flip: whether half of them are mirrored.
    """

    shape: tuple[int, int, int]
    batch: int
    gpu_batch: int
    flip: bool

    def images(self, settings: Settings) -> int:
        """Images a step."""
        return settings.batch or (self.batch if settings.device == "cpu" else self.gpu_batch)


CASES = {"mnist": Case((1, 28, 28), 64, 64, flip=False), "cifar10": Case((3, 32, 32), 16, 128, flip=True)}
"""By the name of the data set and of its network."""

EVALUATIONS = 4
"""Of the network in each walk that is timed."""
