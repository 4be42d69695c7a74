"""A model whose classes are Gaussians of pixels, with all that it draws known in closed form."""

import torch
from torch import nn

import diffusion_lightning as dl

MEANS = -0.4, 0.5, 0.1
"""Of the pixels of class 0, of class 1, and of the null label."""

STD = 0.2
PLAIN = dl.Speed("32-true", compile=False, allocator=False)


class ClassGaussians(nn.Module):
    """The perfect denoiser of pixels N(mean of the class, STD²): outputs E[x0 | x_t]."""

    num_classes = 2

    def __init__(self, schedule):
        super().__init__()
        self.schedule, self.means = schedule, nn.Parameter(torch.tensor(MEANS))

    def forward(self, x_t, time, y):
        t, mean = float(time[0]) / self.schedule.T, self.means[y].view(-1, 1, 1, 1)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
        return mean + gain.to(x_t) * (x_t - alpha.to(x_t) * mean)


def gaussians(p_uncond=0.1, scale=1.0, speed=PLAIN, names=None):
    denoiser = dl.Denoiser(ClassGaussians(dl.Cosine()), dl.Cosine(), dl.X0())
    return dl.DiffusionModel(denoiser, (1, 4, 4), dl.Guidance(p_uncond, scale), names, speed)


def noise(n, seed=0):
    return dl.ImageNoise(seed, range(n), (1, 4, 4))()
