"""Names of `_target_` in earlier versions, whose checkpoints, records and configs stay valid."""

from typing import Any

_PACKAGE = "diffusion_lightning"

_BEFORE_0_2 = {
    "callbacks": "EMA FiniteGuard LastCheckpoint SampleGrid Throughput",
    "callbacks.ema": "EMA",
    "callbacks.finite": "FiniteGuard",
    "callbacks.last_checkpoint": "LastCheckpoint",
    "callbacks.sample_grid": "SampleGrid",
    "callbacks.throughput": "Throughput",
    "clamp": "Dynamic NoClamp Static",
    "data": "CIFAR10 MNIST Digits FashionMNIST ImageFolder",
    "data.cifar10": "CIFAR10",
    "data.digits": "Digits",
    "data.image_folder": "ImageFolder",
    "data.mnist": "MNIST FashionMNIST",
    "extractors": "Classifier Inception",
    "extractors.classifier": "Classifier",
    "extractors.inception": "Inception",
    "grids": "Karras LogSNR Quadratic Uniform",
    "guidance": "Guidance",
    "loggers": "MetricsCSV WandbDashboard",
    "metrics.bits": "Likelihood",
    "metrics.classes": "Classes",
    "metrics.colours": "Colours",
    "metrics.density_coverage": "DensityCoverage",
    "metrics.flow_likelihood": "FlowLikelihood",
    "metrics.frechet": "FID",
    "metrics.inception_score": "InceptionScore",
    "metrics.kid": "KID",
    "metrics.neighbours": "Neighbours",
    "metrics.precision_recall": "PrecisionRecall",
    "networks": "UNet",
    "networks.unet": "UNet",
    "objectives": "MinSNR SimpleMSE",
    "parameterizations": "V X0 Eps",
    "samplers": "DDIM DDPM DEIS DPMSolverPP Heun Langevin PredictorCorrector Resample",
    "samplers.ddim": "DDIM",
    "samplers.ddpm": "DDPM",
    "samplers.deis": "DEIS",
    "samplers.dpm_solver_pp": "DPMSolverPP",
    "samplers.heun": "Heun",
    "samplers.langevin": "Langevin",
    "samplers.predictor_corrector": "PredictorCorrector",
    "samplers.resample": "Resample",
    "schedules": "Cosine Linear",
    "schedules.cosine": "Cosine",
    "schedules.linear": "Linear",
    "speed": "Speed",
    "tasks.clamp_study": "ClampStudy",
    "tasks.edit": "ImageToImage Inpaint Invert",
    "tasks.filmstrip": "Filmstrip",
    "tasks.generate": "Generate",
    "tasks.interpolate": "Interpolate",
    "tasks.sampler_study": "SamplerStudy",
    "tasks.schedule_study": "ScheduleStudy",
    "tasks.sweeps": "ClassSweep GuidanceSweep",
}
"""Modules before version 0.2, and the names in them that are public today."""

RENAMED = {
    **{
        f"{_PACKAGE}.{module}.{name}": f"{_PACKAGE}.{name}"
        for module, names in _BEFORE_0_2.items()
        for name in names.split()
    },
    **{f"{_PACKAGE}.{module}.FID": f"{_PACKAGE}.TrackFID" for module in ("callbacks", "callbacks.fid")},
    **{
        f"{_PACKAGE}.{module}.Stay": f"{_PACKAGE}.NoStep"
        for module in ("samplers", "samplers.predictor_corrector")
    },
    # Ours is Lightning's with a state that can be moved, and names of its own
    **{
        f"{module}.ModelCheckpoint": f"{_PACKAGE}.ModelCheckpoint"
        for lightning in ("lightning.pytorch", "pytorch_lightning")
        for module in (f"{lightning}.callbacks", f"{lightning}.callbacks.model_checkpoint")
    },
}
"""Earlier `_target_` → today's public name. A name is only ever added here."""


def renamed(node: Any) -> Any:
    """The plain container with every `_target_` by its public name of today."""
    if isinstance(node, dict):
        return {key: _public(item) if key == "_target_" else renamed(item) for key, item in node.items()}
    return [renamed(item) for item in node] if isinstance(node, list) else node


def _public(target: Any) -> Any:
    return RENAMED.get(target, target) if isinstance(target, str) else target
