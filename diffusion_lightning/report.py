"""A run or a sweep as one page of HTML: `python -m diffusion_lightning.report`, or `diffusion-report`."""

from diffusion_lightning.commands.report import main

if __name__ == "__main__":
    main()
