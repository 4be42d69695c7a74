"""Class labels as a caller may write them."""

import operator
from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor

from diffusion_lightning.captions import Captions, can_draw
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


def label_names(
    labels: Iterable[int], num_classes: int, class_names: Sequence[str] | None = None
) -> list[str]:
    """The labels as pictures show them: the names, or numbers; the null label is empty."""
    named = class_names is not None and len(class_names) == num_classes
    names = list(class_names or ()) if named else [str(y) for y in range(num_classes)]
    shown = [name if can_draw(name) else f"class {y}" for y, name in enumerate(names)]
    return [shown[y] if y < num_classes else "" for y in labels]


def class_captions(
    labels: Iterable[int], columns: int, num_classes: int, class_names: Sequence[str] | None
) -> Captions:
    """The classes of images with these labels, as captions of a grid."""
    return Captions.of_images(label_names(labels, num_classes, class_names), columns)


def _is_class(y: object, num_classes: int) -> bool:
    return isinstance(y, int | np.integer) and not isinstance(y, bool) and y in range(num_classes)
