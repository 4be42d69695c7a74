"""Samplers: walks from t = 1 to t = 0, each one file that reads like its equation."""

from diffusion_lightning.samplers.base import Sampler
from diffusion_lightning.samplers.ddim import DDIM
from diffusion_lightning.samplers.ddpm import DDPM
from diffusion_lightning.samplers.deis import DEIS
from diffusion_lightning.samplers.dpm_solver_pp import DPMSolverPP
from diffusion_lightning.samplers.heun import Heun
from diffusion_lightning.samplers.langevin import Langevin
from diffusion_lightning.samplers.predictor_corrector import PredictorCorrector, Stay
from diffusion_lightning.samplers.resample import Resample

__all__ = [
    "DDIM",
    "DDPM",
    "DEIS",
    "DPMSolverPP",
    "Heun",
    "Langevin",
    "PredictorCorrector",
    "Resample",
    "Sampler",
    "Stay",
]
