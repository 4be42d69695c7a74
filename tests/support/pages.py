"""Code blocks of the documents, as a reader pastes them."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import ROOT


@dataclass(frozen=True)
class Recipe:
    """The files that a section asks for, by name, and the commands that it gives."""

    files: dict[str, str]
    commands: tuple[str, ...]

    def paste(self, folder: Path, conf: str = "conf_of_mine") -> None:
        """Write the files into a folder, the configs below `conf`."""
        for name, text in self.files.items():
            file = folder / re.sub(r"^conf_of_mine(?=/)", conf, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def numpy_loop() -> Callable[..., Any]:
    """The loop that docs/interchange.md gives for an exported ONNX file: (folder, noise, labels) → pixels."""
    section = read("docs/interchange.md").partition("## ONNX\n")[2]
    loop, *_ = re.findall(r"```python\n(.*?)```", section, re.S)
    names: dict[str, Any] = {}
    exec(loop, names)
    return names["draw"]


def recipe(page: str, heading: str) -> Recipe:
    """The section below a heading."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", read(page), re.S | re.M)
    files = dict(re.findall(r"`([^`\n]+)`:\n\n```(?:python|yaml)\n(.*?)```", section, re.S))
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", section, re.S) for line in block.splitlines()
    ]
    return Recipe(files, tuple(commands))


def words(command: str) -> tuple[str, list[str]]:
    """ "PYTHONPATH=. diffusion-train a b" → ("train", ["a", "b"])."""
    search_path, name, *arguments = shlex.split(command)
    assert search_path == "PYTHONPATH=.", command
    return name.removeprefix("diffusion-"), arguments
