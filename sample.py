"""Draw from a checkpoint: `python sample.py checkpoint=<run dir>`, the same as `diffusion-sample`."""

from diffusion_lightning.commands.sample import main

if __name__ == "__main__":
    main()
