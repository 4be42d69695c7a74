"""Which folders are the splits of a data set, by the usual spellings of their names."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from diffusion_lightning.errors import UserError

SPELLINGS = {
    "train": {"train", "training"},
    "validation": {"val", "valid", "validation", "validate", "validating", "dev", "development"},
    "test": {"test", "tests", "testing", "eval", "evaluation", "evaluate", "heldout", "holdout"},
}
"""Split → what its folder is called, in any case, with or without digits and one of the words below."""

BESIDE = {"set", "split", "data", "dataset", "images", "image", "imgs", "img", "pictures", "photos", "files"}
"""Words that say nothing: `train_images`, `testset`."""


Place = tuple[str, ...]
"""A folder below the root of a data set, as the names that lead to it."""


def split_named(name: str) -> str | None:
    """The split that a folder of this name is: `Training`, `val2017` and `test-images` are splits."""
    return _split_of("".join(word for word in _words(name) if word not in BESIDE))


def splits_hinted(name: str) -> set[str]:
    """The splits that a part of the name is about: `trainA`, `my_test`, `train-val`."""
    return {split for word in _words(name) if (split := _split_of(word))}


def _split_of(word: str) -> str | None:
    stems = {word, *(word.removesuffix(end) for end in BESIDE), *(word.removeprefix(end) for end in BESIDE)}
    return next((split for split, spelt in SPELLINGS.items() if spelt & stems), None)


def _words(name: str) -> list[str]:
    """The words of a name in lower case, without digits: `trainSet_01` is train and set."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return [word.casefold() for word in re.findall(r"[^\W\d_]+", apart)]


def find_splits(root: Path, places: Collection[Place]) -> tuple[Path, Path] | None:
    """The folders of the training and of the test images below a root; None if it has no splits.

    Args:
        root: the folder of the data.
        places: the folders below it that hold images; others count for nothing.

    Raises:
        UserError: if names look like splits, but do not say which they are; if splits lie deeper.
    """
    folders = sorted({place[0] for place in places if place})
    named: dict[str, list[str]] = {split: [] for split in SPELLINGS}
    for name in folders:
        if split := split_named(name):
            named[split].append(name)
    train, held_out = named["train"], named["test"] or named["validation"]
    if len(train) == len(held_out) == 1:
        pair = train[0], held_out[0]
        for split in pair:
            _refuse_deeper(root, [place for place in places if place[:1] == (split,)], 1, ",".join(pair))
        return root / pair[0], root / pair[1]
    hinted = {split for name in folders for split in splits_hinted(name)}
    if any(named.values()) or ("train" in hinted and len(hinted) > 1):
        found = f"{root} has {_listed(folders)}, of which some look like splits"
        if train and not held_out:
            found = f"{root} has {train[0]}/ but no test/ or val/; add one of them"
        raise UserError(
            f"{found}: dataset.splits=[<training folder>,<test folder>] says which they are, and "
            "dataset.splits=[] that there are none, as all are classes."
        )
    _refuse_deeper(root, places, 0, "")
    return None


def check_splits(root: Path, splits: Sequence[str]) -> tuple[Path, Path] | None:
    """The folders of the training and of the test images that the user names; None for none.

    Raises:
        UserError: if they are not two folders, or one is part of the other.
    """
    if not splits:
        return None
    folders = [root / name for name in splits]
    if len(folders) != 2 or not all(folder.is_dir() for folder in folders):
        raise UserError(
            f"splits is {list(splits)}; it must be two folders below {root}, [<training>,<test>], or [] for "
            "no splits."
        )
    train, test = folders
    a, b = train.resolve(), test.resolve()
    if a.is_relative_to(b) or b.is_relative_to(a):
        raise UserError(f"splits is {list(splits)}; one is part of the other, but no image may be in both.")
    return train, test


def _refuse_deeper(root: Path, places: Collection[Place], depth: int, instead: str) -> None:
    """Refuse places that are splits themselves, below a folder that is no split or one already.

    Args:
        root: the folder of the data.
        places: folders that hold images.
        depth: folders that lead to the first one that is looked at.
        instead: what `dataset.splits` would be, without its brackets, for these splits to mean nothing.
    """
    within: dict[str, Place] = {}
    for place in sorted(places):
        for end in range(depth, len(place)):
            if split := split_named(place[end]):
                within.setdefault(split, place[: end + 1])
    if "train" in within and len(within) > 1:
        above = within["train"][:-1]
        alone = above and all(place[: len(above)] == above for place in places)
        move = "move the splits to the top, as train/<class>/ and test/<class>/"
        found = _listed("/".join(place) for place in within.values())
        raise UserError(
            f"{root} has splits within other folders ({found}): "
            f"{f'set data_dir={root.joinpath(*above)}' if alone else move}, or take all images as they lie "
            f"with dataset.splits=[{instead}]."
        )


def _listed(names: Iterable[str]) -> str:
    listed = [f"{name}/" for name in names]
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
