"""Class labels as a caller may write them."""

import operator
from collections.abc import Iterable

import numpy as np
from torch import Tensor

from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.errors import UserError

Labels = int | Iterable[int] | Tensor | None
"""One class number, or several; None is the default of whoever asks."""


def check_labels(labels: Labels, num_classes: int, guidance: Guidance) -> list[int] | None:
    """The labels as a list of class numbers; None stays None.

    Raises:
        UserError: if one is not a class number, or the guidance looks at no labels.
    """
    if labels is None:
        return None
    if not guidance.uses_labels:
        raise UserError(
            "labels need a conditional model, but these images are unconditional "
            f"(guidance scale 0, p_uncond={guidance.p_uncond:g}); leave labels out."
        )
    numbers = labels.flatten().tolist() if isinstance(labels, Tensor) else labels
    listed = list(numbers) if isinstance(numbers, Iterable) else [numbers]
    if not listed or not all(_is_class(y, num_classes) for y in listed):
        raise UserError(
            f"labels={listed} must be class numbers from 0 to {num_classes - 1}, such as "
            f"labels=[0,{num_classes - 1}]."
        )
    return [operator.index(y) for y in listed]


def check_away(guidance: Guidance, num_classes: int) -> None:
    """Refuse to guide away from what is no class, or from a null label that was never trained.

    Raises:
        UserError: if `away` is neither a class number nor the null label of a model that knows it.
    """
    null = guidance.p_uncond > 0 and guidance.away == num_classes
    if not (guidance.away is None or null or _is_class(guidance.away, num_classes)):
        raise UserError(f"away is {guidance.away}; it must be a class number from 0 to {num_classes - 1}.")


def _is_class(y: object, num_classes: int) -> bool:
    return isinstance(y, int | np.integer) and not isinstance(y, bool) and y in range(num_classes)
