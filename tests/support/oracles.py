"""Data whose denoiser and probability flow are known in closed form."""

import math

import torch
from torch import nn

from diffusion_lightning.diffusion.clamp import NoClamp
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Cosine


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


class MixtureOracle:
    """Points (B, 2, 1, 1) of Σ_k w_k N(m_k, std²): E[x0 | x_t] is the responsible modes' mean."""

    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    means = torch.tensor([[-1.2, 0.4], [0.9, 1.0], [0.5, -0.8]], dtype=torch.float64)

    def __init__(self, schedule, std=0.25):
        self.schedule, self.std = schedule, std

    def log_densities(self, x_t, t):
        """log w_k N(x_t; α m_k, α² std² + σ²), (B, K), but for a constant."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        variance = alpha**2 * self.std**2 + sigma**2
        distance = (x_t.double().flatten(1)[:, None] - alpha * self.means).square().sum(-1)
        return self.weights.log() - distance / (2 * variance) - variance.log()

    def x0(self, x_t, t, y):
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        gain = alpha * self.std**2 / (alpha**2 * self.std**2 + sigma**2)
        of_mode = self.means + gain * (x_t.flatten(1)[:, None] - alpha * self.means)
        share = self.log_densities(x_t, t).softmax(1)
        return (share[..., None] * of_mode).sum(1).view_as(x_t)

    def sample(self, n, t, seed=0):
        """n points (n, 2, 1, 1) of the marginal at t."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        rng = torch.Generator().manual_seed(seed)
        mode = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        spread = (alpha**2 * self.std**2 + sigma**2).sqrt()
        return (alpha * self.means[mode] + spread * normal(n, 2, seed=seed + 1)).view(n, 2, 1, 1)

    def deviations(self, x, t=0.0):
        """How many standard errors the mean, the covariance and the mode weights of x are off, at worst."""
        x = x.double().flatten(1)
        n, alpha, sigma = len(x), self.schedule.alpha(t), self.schedule.sigma(t)
        means, variance = alpha * self.means, alpha**2 * self.std**2 + sigma**2
        mean = self.weights @ means
        centred = means - mean
        covariance = centred.T @ (self.weights[:, None] * centred) + variance * torch.eye(2)
        d = x - mean
        products = d[:, :, None] * d[:, None, :]
        of_mean = d.mean(0).abs() / (x.std(0) / n**0.5)
        of_covariance = (products.mean(0) - covariance).abs() / (products.std(0) / n**0.5)
        share = self.log_densities(x.view(n, 2, 1, 1), t).softmax(1)
        of_weights = (share.mean(0) - self.weights).abs() / (share.std(0) / n**0.5)
        return max(of_mean.max().item(), of_covariance.max().item(), of_weights.max().item())


class OracleNetwork(nn.Module):
    """Outputs what a perfect network would, in the given parameterization."""

    num_classes = 0

    def __init__(self, oracle, parameterization):
        super().__init__()
        self.oracle, self.p = oracle, parameterization

    def forward(self, x_t, time, y):
        schedule = self.oracle.schedule
        t = float(time[0]) / schedule.T
        x0 = self.oracle.x0(x_t, t, y)
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return self.p.target(x0, (x_t - alpha * x0) / sigma, alpha, sigma)


def sampling_model(oracle, clamp=None):
    return SamplingModel(oracle, Guidance(1.0, 0.0), clamp or NoClamp())


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def through_a_network(oracle, parameterization):
    """The denoiser whose network has learned the oracle perfectly."""
    return Denoiser(OracleNetwork(oracle, parameterization), oracle.schedule, parameterization)


def errors_at(sampler, oracle, denoiser, all_steps):
    """Largest error of sampler(n) for each n, against the exact flow and the last prediction at t_1."""
    x = normal(4, 1, 4, 4)
    errors = []
    for n in all_steps:
        walk = sampler(n)
        times = walk.grid(oracle.schedule, n)
        exact = oracle.x0(oracle.flow(x, times[0], times[-1]), times[-1], None)
        errors.append((walk(sampling_model(denoiser), x) - exact).abs().max().item())
    return errors


def slope(errors):
    """Mean order of convergence, for steps that double."""
    return math.log2(errors[0] / errors[-1]) / (len(errors) - 1)


def table_of_alpha_bar(kind, T):
    """DDPM's ᾱ_0 … ᾱ_T in plain Python, product by product."""

    def f(i):
        return math.cos((i / T + 0.008) / 1.008 * math.pi / 2) ** 2

    products = [1.0]
    for i in range(1, T + 1):
        if kind is Cosine:
            beta = 1 - f(i) / f(i - 1)
        else:
            fraction = (i - 1) / max(1, T - 1)
            beta = (1e-4 + fraction * (0.02 - 1e-4)) * 1000 / T
        products.append(products[-1] * (1 - min(beta, 0.999)))
    return torch.tensor(products, dtype=torch.float64)
