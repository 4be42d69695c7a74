"""Data whose denoiser and probability flow are known in closed form."""

import math

import torch
from torch import nn

from diffusion_lightning.diffusion.clamp import NoClamp
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Cosine


class Oracle:
    """A denoiser in closed form, of samples of any shape (B, *); its levels may be times too."""

    def __init__(self, schedule):
        self.schedule = schedule

    def null(self, y):
        return torch.zeros_like(y)

    def level(self, t):
        return t if isinstance(t, Level) else self.schedule.level(t)


class GaussianOracle(Oracle):
    """Every dimension is N(mean, std²): E[x0 | x_t] = mean + α std²/(α² std² + σ²) (x_t - α mean)."""

    def __init__(self, schedule, mean=0.3, std=0.5):
        super().__init__(schedule)
        self.mean, self.std = mean, std

    def scale(self, t):
        """Standard deviation of the marginal at t."""
        t = self.level(t)
        return math.sqrt(t.alpha**2 * self.std**2 + t.sigma**2)

    def x0(self, x_t, t, y):
        t = self.level(t)
        gain = t.alpha * self.std**2 / self.scale(t) ** 2
        return self.mean + gain * (x_t - t.alpha * self.mean)

    def flow(self, x, t, s):
        """Where the probability-flow ODE carries x from t to s."""
        t, s = self.level(t), self.level(s)
        z = (x - t.alpha * self.mean) / self.scale(t)
        return s.alpha * self.mean + self.scale(s) * z


class MixtureOracle(Oracle):
    """Points of a plane, Σ_k w_k N(m_k, std²), in the shape (B, *shape): E[x0 | x_t] is the modes' mean.

    Args:
        schedule: of the noise.
        std: of each mode.
        shape: how a point's two coordinates lie: (2,), or (2, 1, 1) for an image of two channels.
    """

    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    means = torch.tensor([[-1.2, 0.4], [0.9, 1.0], [0.5, -0.8]], dtype=torch.float64)

    def __init__(self, schedule, std=0.25, shape=(2, 1, 1)):
        super().__init__(schedule)
        self.std, self.shape = std, shape

    def log_densities(self, x_t, t):
        """log w_k N(x_t; α m_k, α² std² + σ²), (B, K), but for a constant."""
        t = self.level(t)
        variance = t.alpha**2 * self.std**2 + t.sigma**2
        distance = (x_t.double().flatten(1)[:, None] - t.alpha * self.means).square().sum(-1)
        return self.weights.log() - distance / (2 * variance) - math.log(variance)

    def x0(self, x_t, t, y):
        t = self.level(t)
        gain = t.alpha * self.std**2 / (t.alpha**2 * self.std**2 + t.sigma**2)
        mode = self.shares(x_t, t).T @ self.means
        return gain * x_t + (1 - gain * t.alpha) * mode.view_as(x_t)

    def shares(self, x_t, t):
        """Each mode's share in x_t, w_k N(x_t; α m_k, α² std² + σ²) normalized, (K, B), which is quick."""
        variance = t.alpha**2 * self.std**2 + t.sigma**2
        means = t.alpha * self.means
        constants = self.weights.log() - means.square().sum(1) / (2 * variance)
        return (constants[:, None] + means @ x_t.double().flatten(1).T / variance).softmax(0)

    def sample(self, n, t, seed=0):
        """n points (n, *shape) of the marginal at t."""
        t = self.level(t)
        rng = torch.Generator().manual_seed(seed)
        mode = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        spread = math.sqrt(t.alpha**2 * self.std**2 + t.sigma**2)
        return (t.alpha * self.means[mode] + spread * normal(n, 2, seed=seed + 1)).view(n, *self.shape)

    def deviations(self, x, t=0.0):
        """How many standard errors the mean, the covariance and the mode weights of x are off, at worst."""
        x, t = x.double().flatten(1), self.level(t)
        n = len(x)
        means, variance = t.alpha * self.means, t.alpha**2 * self.std**2 + t.sigma**2
        mean = self.weights @ means
        centred = means - mean
        covariance = centred.T @ (self.weights[:, None] * centred) + variance * torch.eye(2)
        d = x - mean
        products = d[:, :, None] * d[:, None, :]
        of_mean = d.mean(0).abs() / (x.std(0) / n**0.5)
        of_covariance = (products.mean(0) - covariance).abs() / (products.std(0) / n**0.5)
        share = self.shares(x, t)
        of_weights = (share.mean(1) - self.weights).abs() / (share.std(1) / n**0.5)
        return max(of_mean.max().item(), of_covariance.max().item(), of_weights.max().item())


class OracleNetwork(nn.Module):
    """Outputs what a perfect network would, in the given parameterization; all times of a batch are equal."""

    num_classes = 0

    def __init__(self, oracle, parameterization):
        super().__init__()
        self.oracle, self.p = oracle, parameterization

    def forward(self, x_t, time, y):
        t = self.oracle.level(float(time[0]) / self.oracle.schedule.T)
        x0 = self.oracle.x0(x_t, t, y)
        return self.p.target(x0, (x_t - t.alpha * x0) / t.sigma, t.alpha, t.sigma)


def sampling_model(oracle, clamp=None):
    return SamplingModel(oracle, Guidance(1.0, 0.0), clamp or NoClamp())


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def through_a_network(oracle, parameterization):
    """The denoiser whose network has learned the oracle perfectly."""
    return Denoiser(OracleNetwork(oracle, parameterization), oracle.schedule, parameterization)


def errors_at(sampler, oracle, denoiser, all_steps, shape=(1, 4, 4)):
    """Largest error of sampler(n) for each n, against the exact flow and the last prediction at t_1."""
    x = normal(4, *shape)
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
