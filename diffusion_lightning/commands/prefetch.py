"""Download the weights for the field's FID: `python -m diffusion_lightning.commands.prefetch`."""

from diffusion_lightning.commands.interrupts import interruptible
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.weights import INCEPTION, fetch


def main() -> None:
    """Download Inception's weights into the cache and print their path."""
    try:
        with interruptible():
            print(fetch(INCEPTION))
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
