"""Measure images: `python evaluate.py checkpoint=<run dir>`, the same as `diffusion-evaluate`."""

from diffusion_lightning.commands.evaluate import main

if __name__ == "__main__":
    main()
