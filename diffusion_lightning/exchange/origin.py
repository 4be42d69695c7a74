"""What every code that weights come from shares."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Asked:
    """What a command line says of weights that come without a config, and of the data that they are for.

    Args:
        image_size: the images' side, or [H, W]; None if it is not said.
        num_heads: of attention; None if it is not said.
        schedule: the config of the schedule that the network was trained with.
        num_classes: K of the data set, if one is named.
    """

    image_size: Any = None
    num_heads: int | None = None
    schedule: Mapping[str, Any] = field(default_factory=dict)
    num_classes: int | None = None


@dataclass(frozen=True)
class Imported:
    """A model of another code, in our words.

    Args:
        network, schedule, parameterization, guidance: configs of ours.
        state: the network's tensors by our names.
        about: what else there is to know of it, for the person at the keyboard.
        config: further parts of a run's config, if the source has them.
        memory: what an export needs to return to the source exactly.
    """

    network: dict[str, Any]
    schedule: dict[str, Any]
    parameterization: dict[str, Any]
    guidance: dict[str, Any]
    state: dict[str, Tensor]
    about: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)


def guidance_options(conditional: bool) -> dict[str, Any]:
    """The config of the guidance of a model that was trained with labels, or without."""
    scale = float(conditional)
    return {"_target_": "diffusion_lightning.Guidance", "p_uncond": 1 - scale, "scale": scale}


class StateDict(ABC):
    """A code whose files are state dicts of its U-Net."""

    @abstractmethod
    def __call__(self, state: dict[str, Tensor], asked: Asked) -> Imported | None:
        """The model of these tensors; None if they have not the names of this code.

        Raises:
            UserError: if our classes cannot express it, or the command line does not say enough of it.
        """
