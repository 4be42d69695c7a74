"""`python -m diffusion_lightning.zoo`: the trained models that come with the package."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence

from diffusion_lightning.errors import UserError
from diffusion_lightning.zoo.cards import Card, cards

INTRODUCTION = """\
Trained models that come with the package, in half precision and with their config: `checkpoint=zoo:<name>`
wherever a command reads a checkpoint, `init=zoo:<name>` to train further, and `dl.load("zoo:<name>")`. The
figures are of the very files, each beside that of as many test images, the floor. Each section's command
draws as the measured images were drawn; without options a model draws with its own w, in 50 steps of DDIM.

`python -m diffusion_lightning.zoo` lists them. `python -m diffusion_lightning.zoo --markdown > docs/zoo.md`
writes this page, from the cards beside the weights (`diffusion_lightning/zoo/`).
"""


def main() -> None:
    """List the trained models that come with the package; a command reads one as checkpoint=zoo:<name>."""
    parser = ArgumentParser(prog="python -m diffusion_lightning.zoo", description=main.__doc__)
    parser.add_argument("--markdown", action="store_true", help="as docs/zoo.md has it")
    arguments = parser.parse_args()
    try:
        found = cards()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    if arguments.markdown:
        print(page(found))
        return
    from rich.console import Console

    Console().print(table(found))
    for card in found:
        print(card.command)


def table(found: Sequence[Card]) -> object:
    """One row per model."""
    from rich.table import Table

    drawn = Table("name", "data", "images seen", "figures (floor)", "sampler and guidance", show_lines=True)
    for card in found:
        figures = "\n".join([*card.measured(), f"of {card.num_images:,} images"])
        drawn.add_row(f"zoo:{card.name}", card.data, f"{card.images_seen:,}", figures, card.setting)
    return drawn


def page(found: Sequence[Card]) -> str:
    """The list as a page of Markdown: a table, and a section for each model."""
    return "\n".join(_page(found))


def _page(found: Sequence[Card]) -> Iterator[str]:
    yield "# The zoo\n"
    yield INTRODUCTION
    yield "| name | data | images seen | figures (floor) | sampler and guidance |"
    yield "|---|---|---|---|---|"
    for card in found:
        figures = f"{', '.join(card.measured())}; {card.num_images:,} images"
        cells = f"`zoo:{card.name}`", card.data, f"{card.images_seen:,}", figures, card.setting
        yield f"| {' | '.join(cells)} |"
    for card in found:
        yield f"\n## {card.name}\n"
        yield f"{card.shows}\n"
        yield f"```sh\n{card.command}\n```\n"
        yield f"- **Data**: {card.data}. {card.licence}"
        yield (
            f"- **Training**: `{card.recipe}`, {card.images_seen:,} images, {card.core_hours:g} core-hours, "
            f"{card.parameters:,} parameters."
        )
        yield f"- **Figures** of {card.num_images:,} images ({card.setting}): {', '.join(card.measured())}."
        yield f"- **Features** of the figures: {card.features}"
        yield f"- **Limits**: {card.limits}"
        yield f"- **SHA-256** of the weights: `{card.sha256}`"


if __name__ == "__main__":
    main()
