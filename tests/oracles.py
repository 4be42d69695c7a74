"""Data whose denoiser and probability flow are known in closed form."""

import torch

from diffusion_lightning.clamp import NoClamp
from diffusion_lightning.guidance import Guidance
from diffusion_lightning.sampling_model import SamplingModel


class GaussianOracle:
    """Pixels of N(mean, std²): E[x0 | x_t] = mean + α std²/(α² std² + σ²) (x_t - α mean)."""

    def __init__(self, schedule, mean=0.3, std=0.5):
        self.schedule, self.mean, self.std = schedule, mean, std

    def scale(self, t):
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return (alpha**2 * self.std**2 + sigma**2).sqrt()

    def x0(self, x_t, t, y):
        alpha = self.schedule.alpha(t)
        gain = alpha * self.std**2 / self.scale(t) ** 2
        return self.mean + gain * (x_t - alpha * self.mean)

    def flow(self, x, t, s):
        """Where the probability-flow ODE carries x from t to s."""
        z = (x - self.schedule.alpha(t) * self.mean) / self.scale(t)
        return self.schedule.alpha(s) * self.mean + self.scale(s) * z


def sampling_model(oracle, clamp=None):
    return SamplingModel(oracle, Guidance(1.0, 0.0), clamp or NoClamp())


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
