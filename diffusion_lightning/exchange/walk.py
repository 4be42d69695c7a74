"""What a program that draws with an exported denoiser has to know, as plain numbers and texts."""

from typing import Any

from diffusion_lightning.exchange.base import Exported
from diffusion_lightning.exchange.program import INPUTS, OUTPUT

WALK = "denoiser.json"
"""The file beside the program."""

GUIDANCE = (
    "x0 = x0_other + scale * (x0_y - x0_other): the program is run with the labels y and with other_label"
)
"""How the caller guides; each step has its scale. Scale 1 needs y alone, scale 0 the other label alone."""

RESCALE = "if scale is neither 0 nor 1: x0 = x0 * (1 + rescale * (std(x0_y) / std(x0) - 1)), std per image"

DDIM = "x_s = alpha_s * x0 + sigma_s * (x_t - alpha_t * x0) / sigma_t; after the last step the image is x0"
"""DDIM's step without noise, the simplest loop (Song et al. 2021, arXiv 2010.02502, eq. 12)."""

PIXELS = "clip(round((x0 + 1) * 127.5), 0, 255)"


def walk_facts(exported: Exported) -> dict[str, Any]:
    """The steps of the walk that was asked for, from noise to image, and the meaning of inputs and output."""
    denoiser, sampling = exported.denoiser, exported.sampling
    guidance = sampling.guidance
    channels, height, width = exported.shape
    levels = denoiser.schedule.levels(sampling.sampler.times(denoiser.schedule))
    image = f"float32 (B, {channels}, {height}, {width})"
    described = image, "float32 (B,), in (0, 1]; 1 is noise", "int64 (B,)"
    return {
        "inputs": dict(zip(INPUTS, described, strict=True)),
        "outputs": {OUTPUT: image},
        "shape": [channels, height, width],
        "value_range": [-1, 1],
        "pixels": PIXELS,
        "num_classes": denoiser.num_classes,
        "null_label": denoiser.num_classes,
        "class_names": exported.class_names and list(exported.class_names),
        "label": exported.label,
        "schedule": exported.config["schedule"],
        "parameterization": type(denoiser.parameterization).__name__,
        "guidance": {
            "rule": GUIDANCE,
            "other_label": denoiser.num_classes if guidance.away is None else guidance.away,
            "rescale": guidance.rescale,
            "rescale_rule": RESCALE,
        },
        "clamp": {"name": type(sampling.clamp).__name__, **vars(sampling.clamp)},
        "ddim": DDIM,
        "steps": [
            {
                "t": level.t,
                "alpha": level.alpha,
                "sigma": level.sigma,
                "lam": level.lam,
                "scale": guidance.scale_at(level.t) if exported.label is None else 1.0,
            }
            for level in levels
        ],
    }
