"""Watch a model draw, in a browser: `python -m diffusion_lightning.playground`, or `diffusion-playground`."""

from diffusion_lightning.commands.playground import main

if __name__ == "__main__":
    main()
