"""Download the weights for the field's FID: `python -m diffusion_lightning.commands.prefetch`."""

from argparse import ArgumentParser

from diffusion_lightning.commands.interrupts import interruptible
from diffusion_lightning.commands.output import readers_may_go_away
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.weights import INCEPTION, fetch


def main() -> None:
    """Download Inception's weights into the cache and print their path."""
    try:
        with interruptible(), readers_may_go_away():
            ArgumentParser(description=main.__doc__).parse_args()
            print(fetch(INCEPTION))
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
