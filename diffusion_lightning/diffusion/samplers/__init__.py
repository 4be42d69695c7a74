"""Samplers: walks from t = 1 to t = 0, each one file that reads like its equation."""

from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.samplers.ddim import DDIM
from diffusion_lightning.diffusion.samplers.ddpm import DDPM
from diffusion_lightning.diffusion.samplers.deis import DEIS
from diffusion_lightning.diffusion.samplers.dpm_solver_pp import DPMSolverPP
from diffusion_lightning.diffusion.samplers.heun import Heun
from diffusion_lightning.diffusion.samplers.langevin import Langevin
from diffusion_lightning.diffusion.samplers.predictor_corrector import NoStep, PredictorCorrector
from diffusion_lightning.diffusion.samplers.resample import Resample

__all__ = [
    "DDIM",
    "DDPM",
    "DEIS",
    "DPMSolverPP",
    "Heun",
    "Langevin",
    "NoStep",
    "PredictorCorrector",
    "Resample",
    "Sampler",
]
