"""How fast diffusion-lightning is, beside other libraries and the machine's roof: `python -m benchmarks`."""
