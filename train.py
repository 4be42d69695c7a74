"""Train a diffusion model: `python train.py dataset=mnist guidance=cfg`, the same as `diffusion-train`."""

from diffusion_lightning.commands.train import main

if __name__ == "__main__":
    main()
