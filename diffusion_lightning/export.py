"""Write a model for other libraries: `python -m diffusion_lightning.export`, also `diffusion-export`."""

from diffusion_lightning.commands.export import main

if __name__ == "__main__":
    main()
