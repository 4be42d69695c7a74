"""Put a model on the Hugging Face hub: `python -m diffusion_lightning.push`, or `diffusion-push`."""

from diffusion_lightning.commands.push import main

if __name__ == "__main__":
    main()
