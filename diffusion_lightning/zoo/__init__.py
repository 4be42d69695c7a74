"""The zoo: trained models that come with the package, `checkpoint=zoo:<name>`.

Each is a file of weights, `<name>.safetensors`, and its card, `<name>.json`, from which
`python -m diffusion_lightning.zoo` lists them; `commands/to_zoo.py` adds one.
"""
