"""Class labels as a caller may write them."""

from collections.abc import Iterable, Sequence

from torch import Tensor

from diffusion_lightning.captions import Captions, can_draw
from diffusion_lightning.class_names import class_numbers
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.errors import UserError

Labels = int | str | Iterable[int | str] | Tensor | None
"""One class, or several, by number or by name; None is the default of whoever asks."""


def check_labels(
    labels: Labels, num_classes: int, guidance: Guidance, names: Sequence[str] | None = None
) -> list[int] | None:
    """The labels as a list of class numbers; None stays None.

    Args:
        labels: numbers and names.
        num_classes: K.
        guidance: of the images that are to be drawn.
        names: one name per class, if the checkpoint knows them.

    Raises:
        UserError: if one is no class, or could be several, or if the guidance looks at no labels.
    """
    if labels is None:
        return None
    if not guidance.uses_labels:
        raise UserError(
            "labels need a conditional model, but these images are unconditional "
            f"(guidance scale 0, p_uncond={guidance.p_uncond:g}); leave labels out."
        )
    classes = labels.flatten().tolist() if isinstance(labels, Tensor) else labels
    listed = [classes] if isinstance(classes, str) or not isinstance(classes, Iterable) else classes
    return class_numbers("labels", listed, num_classes, names)


def label_names(
    labels: Iterable[int], num_classes: int, class_names: Sequence[str] | None = None
) -> list[str]:
    """The labels as pictures show them: the names, or numbers; the null label is empty."""
    named = class_names is not None and len(class_names) == num_classes
    names = list(class_names or ()) if named else [str(y) for y in range(num_classes)]
    shown = [name if can_draw(name) else f"class {y}" for y, name in enumerate(names)]
    return [shown[y] if y < num_classes else "" for y in labels]


def class_captions(
    labels: Iterable[int],
    columns: int,
    num_classes: int,
    class_names: Sequence[str] | None,
    title: str = "",
) -> Captions:
    """The classes of images with these labels, as captions of a grid."""
    return Captions.of_images(label_names(labels, num_classes, class_names), columns, title)


def check_away(guidance: Guidance, num_classes: int) -> None:
    """Refuse to guide away from what is no class, or from a null label that was never trained.

    Raises:
        UserError: if `away` is neither a class number nor the null label of a model that knows it.
    """
    null = guidance.p_uncond > 0 and guidance.away == num_classes
    if not (guidance.away is None or null or guidance.away in range(num_classes)):
        raise UserError(f"away is {guidance.away}; it must be a class number from 0 to {num_classes - 1}.")
