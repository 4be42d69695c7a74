"""Read published weights: `python -m diffusion_lightning.import_weights`, the same as `diffusion-import`."""

from diffusion_lightning.commands.import_weights import main

if __name__ == "__main__":
    main()
