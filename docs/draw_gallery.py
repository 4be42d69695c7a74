"""Draw the pictures of docs/samplers.md again, each by the command below it, and say which differ."""

import re
import sys

from docs.draw_pictures import ROOT, Picture, redraw

DOCS = ROOT / "docs"
SHOWN = re.compile(r"^!\[[^\]]*\]\(([\w./]+)\)\n\n```sh\npython (sample\.py [^\n]+)\n```", re.M)


def shown(page: str) -> list[Picture]:
    """The pictures of a page: each with the command that stands below it."""
    return [Picture(*pair) for pair in SHOWN.findall(page)]


def main(names: list[str]) -> None:
    """Draw all pictures, or those whose names are given."""
    for picture in shown((DOCS / "samplers.md").read_text(encoding="utf-8")):
        if not names or picture.name in names:
            print(f"{picture.name}: {redraw(picture, DOCS)}")


if __name__ == "__main__":
    main(sys.argv[1:])
