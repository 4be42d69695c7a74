"""Our schedule, parameterization, clamp and sampler ↔ the configuration of diffusers' schedulers."""

from collections.abc import Mapping
from typing import Any

import torch

from diffusion_lightning.diffusion.clamp import Clamp, Dynamic, NoClamp, Static
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.grids import Uniform
from diffusion_lightning.diffusion.parameterizations import X0, Eps, V
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, Sampler
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.diffusion.schedules import BetaSchedule, Cosine, Linear, Schedule
from diffusion_lightning.errors import UserError

PREDICTIONS: dict[type, str] = {Eps: "epsilon", X0: "sample", V: "v_prediction"}

VARIANCES = {"posterior": "fixed_small", "beta": "fixed_large"}

READABLE = "DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler"
"""Schedulers whose configuration says what β the network was trained with."""

UNBOUNDED = 1e9
"""The largest s of dynamic thresholding, which is 1 there unless given; ours has no bound."""

COSINE_S = 0.008
"""The shift of squaredcos_cap_v2, which has no option for it."""


def scheduler_config(denoiser: Denoiser, sampling: Sampling) -> dict[str, Any]:
    """The options of the `DDPMScheduler` that walks as ours does; `DDIMScheduler` reads the same.

    Raises:
        UserError: if there is none; it says what diffusers cannot express.
    """
    parameterization = type(denoiser.parameterization)
    if parameterization not in PREDICTIONS:
        raise UserError(
            f"diffusers' DDPMScheduler cannot express parameterization {parameterization.__name__}; it "
            f"knows {', '.join(known.__name__ for known in PREDICTIONS)}."
        )
    return {
        "_class_name": "DDPMScheduler",
        "num_train_timesteps": denoiser.schedule.T,
        **_betas(denoiser.schedule),
        "prediction_type": PREDICTIONS[parameterization],
        "variance_type": _variance(sampling.sampler),
        **_clamp(sampling.clamp),
        "timestep_spacing": "trailing",
        "steps_offset": 0,
        "rescale_betas_zero_snr": False,
    }


def _betas(schedule: Schedule) -> dict[str, Any]:
    if not isinstance(schedule, BetaSchedule):
        raise UserError(
            f"diffusers' DDPMScheduler needs a table of β, and {type(schedule).__name__} is no BetaSchedule."
        )
    usual = {"beta_start": 1e-4, "beta_end": 0.02, "trained_betas": None}
    if type(schedule) is Linear and schedule.beta_end * 1000 / schedule.T <= 0.999:
        scale = 1000 / schedule.T
        ends = {"beta_start": schedule.beta_start * scale, "beta_end": schedule.beta_end * scale}
        return {**usual, "beta_schedule": "linear", **ends}
    if type(schedule) is Cosine and schedule.s == COSINE_S:
        return {**usual, "beta_schedule": "squaredcos_cap_v2"}
    return {**usual, "beta_schedule": "linear", "trained_betas": schedule.betas().tolist()}


def _variance(sampler: Sampler) -> str:
    if not isinstance(sampler, DDIM | DDPM) or not isinstance(sampler.grid, Uniform):
        raise UserError(
            f"the folder holds the scheduler of sampler=ddpm and sampler=ddim with sampler/grid=uniform, not "
            f"{type(sampler).__name__} with {type(sampler.grid).__name__}; diffusers' own schedulers can be "
            "put in its place when it is loaded."
        )
    return VARIANCES[sampler.variance] if isinstance(sampler, DDPM) else "fixed_small"


def _clamp(clamp: Clamp) -> dict[str, Any]:
    dynamic = isinstance(clamp, Dynamic)
    if not isinstance(clamp, Static | NoClamp | Dynamic):
        raise UserError(f"diffusers' DDPMScheduler cannot express clamp {type(clamp).__name__}.")
    return {
        "clip_sample": isinstance(clamp, Static),
        "clip_sample_range": 1.0,
        "thresholding": dynamic,
        "dynamic_thresholding_ratio": clamp.quantile if isinstance(clamp, Dynamic) else 0.995,
        "sample_max_value": UNBOUNDED if dynamic else 1.0,
    }


def schedule_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of our schedule that has the β of this scheduler.

    Raises:
        UserError: if we have no such schedule; it says why.
    """
    name = config.get("_class_name", READABLE[0])
    if name not in READABLE:
        raise UserError(f"the scheduler is a {name}; {', '.join(READABLE)} can be read.")
    if config.get("rescale_betas_zero_snr"):
        raise UserError("rescale_betas_zero_snr=true makes the last β 1, and ours are below 1.")
    T, kind = config.get("num_train_timesteps", 1000), config.get("beta_schedule", "linear")
    start, end = config.get("beta_start", 1e-4), config.get("beta_end", 0.02)
    table = config.get("trained_betas")
    if table is None and kind == "linear":
        ends = {"beta_start": start * T / 1000, "beta_end": end * T / 1000}
        return {"_target_": "diffusion_lightning.Linear", "T": T, **ends}
    if table is None and kind == "squaredcos_cap_v2":
        return {"_target_": "diffusion_lightning.Cosine", "T": T, "s": COSINE_S}
    if table is None and kind == "scaled_linear":
        table = torch.linspace(start**0.5, end**0.5, T, dtype=torch.float64).square().tolist()
    if table is None:
        raise UserError(
            f"the scheduler has beta_schedule={kind!r}; linear, scaled_linear, squaredcos_cap_v2 and any "
            "trained_betas can be read."
        )
    return {"_target_": "diffusion_lightning.GivenBetas", "T": len(table), "table": list(map(float, table))}


def parameterization_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of our parameterization that means what this scheduler takes the output for.

    Raises:
        UserError: if we have none.
    """
    kind = config.get("prediction_type", "epsilon")
    ours = {theirs: cls.__name__ for cls, theirs in PREDICTIONS.items()}
    if kind not in ours:
        raise UserError(f"the scheduler has prediction_type={kind!r}; {', '.join(ours)} can be read.")
    return {"_target_": f"diffusion_lightning.{ours[kind]}"}


def sampling_hint(config: Mapping[str, Any]) -> str:
    """The options of `sample.py` that walk as this scheduler does, where ours would walk in another way."""
    options = ["sampler=ddpm"]
    if config.get("variance_type", "fixed_small") == "fixed_large":
        options.append("sampler.variance=beta")
    if config.get("thresholding"):
        options.append(f"clamp=dynamic clamp.quantile={config.get('dynamic_thresholding_ratio', 0.995)}")
    elif not config.get("clip_sample", True):
        options.append("clamp=none")
    return " ".join(options)
