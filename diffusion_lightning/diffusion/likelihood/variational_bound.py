"""The variational bound: how many bits an 8-bit image takes, at most, with DDPM's walk as its code."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.special import log_ndtr

from diffusion_lightning.diffusion.level import in_interval
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import PerSample, Samples
from diffusion_lightning.errors import UserError
from diffusion_lightning.images import from_uint8

BIN = 2 / 255
"""Width of an 8-bit level in [-1, 1]."""

Progress = Callable[[], object]
"""Called after each evaluation of the model, such as the `update` of a progress bar."""


@dataclass(frozen=True, eq=False)
class Bound:
    """The parts of DDPM's bound, in bits per dimension of each image, float64 on the CPU.

    Args:
        prior: KL(q(x_t | x0) ‖ N(0, I)) at t_N, (B,).
        steps: KL(q(x_s | x_t, x0) ‖ p(x_s | x_t)) = ½ (α_s²/σ_s² - α_t²/σ_t²) |x0 - x0(x_t)|² of each
            step t → s, in the order of the walk, (B, N - 1).
        decoder: -log P(pixels | x_t) at t_1, (B,).
    """

    prior: PerSample
    steps: Tensor
    decoder: PerSample

    @property
    def total(self) -> PerSample:
        """The bound itself (B,)."""
        return self.prior + self.steps.sum(1) + self.decoder


@torch.no_grad()
def variational_bound(
    model: SamplingModel,
    pixels: Tensor,
    noise: Noise,
    times: Sequence[float] | None = None,
    progress: Progress = lambda: None,
) -> Bound:
    """DDPM's bound on -log₂ P(pixels)/D, estimated without bias from one draw of noise per time.

    The walk from N(0, I) steps with the posterior variance β̃ and ends with N(x0(x_t), σ²) at t_1, rounded.
    β̃ is best for a single image. On Gaussian data it costs 0.6 bits in the last steps of a uniform walk,
    which halve the noise however large T is, and next to nothing where all steps are short in λ.

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), eq. 5, 8 and 13; Nichol & Dhariwal 2021 (Improved DDPM,
    arXiv 2102.09672), section 4, for fewer times; Kingma et al. 2021 (Variational Diffusion Models,
    arXiv 2107.00630), section 4, for a step in terms of x0.

    Args:
        model: predicts x0 at (x_t, t).
        pixels: uint8 images (B, C, H, W).
        noise: called once per time.
        times: t_N > … > t_1 of the walk, such as a grid's; None is all T timesteps.
        progress: called N times.

    Raises:
        UserError: if the images are not uint8 (B, C, H, W), or the times do not fall within (0, 1].
        NotFinite: if a prediction overflows.
    """
    schedule = model.schedule
    times = even_times(schedule.T) if times is None else _falling(times)
    x0, errors = from_uint8(checked(pixels)), []
    levels = schedule.levels(times)
    for t in levels:
        prediction = model(t.alpha * x0 + t.sigma * noise(), t)
        model.finite.check("the variational bound", times)
        errors.append(sample_sum((x0 - prediction.x0).square()))
        progress()
    model.finite.check("the variational bound", times, last=True)
    snr = torch.exp(2 * torch.tensor([t.lam for t in levels], dtype=torch.float64))
    steps = 0.5 * snr.diff() * torch.stack(errors, dim=1)[:, :-1]
    decoder = -sample_sum(log_bin(pixels, prediction.x0, prediction.sigma))
    nat = 1 / (math.log(2) * pixels[0].numel())  # in bits per dimension
    return Bound(nat * _prior(x0, levels[0].alpha), nat * steps, nat * decoder)


def even_times(n: int) -> list[float]:
    """The n times 1, …, 1/n, for n = T all timesteps: a bound begins at t = 1, however noisy that is."""
    return [i / n for i in range(n, 0, -1)]


def _prior(x0: Samples, alpha: float) -> PerSample:
    """KL(N(α x0, σ²) ‖ N(0, I)) = ½ Σ (α² x0² + σ² - 1 - log σ²) of each image (B,), in nats."""
    # σ² is 1 - α², and α nearly 0.
    return 0.5 * sample_sum(alpha**2 * (x0.square() - 1) - math.log1p(-(alpha**2)))


def log_bin(pixels: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """log of the mass of N(mean, σ²) that rounds to each 8-bit pixel, float64 on the CPU, (B, C, H, W).

    log(Φ(high) - Φ(low)), where low and high are the edges of the pixel's level, in units of σ from the
    mean. The first and the last level reach to infinity.

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), eq. 13.
    """
    pixels, mean = pixels.cpu(), mean.cpu().double()
    low, high = (((pixels.double() + edge) * BIN - 1 - mean) / sigma for edge in (-0.5, 0.5))
    low, high = low.masked_fill(pixels == 0, -math.inf), high.masked_fill(pixels == 255, math.inf)
    # Far to the right, Φ is 1 to the last digit. Its left tail is known to any depth, so mirror those levels.
    right = low + high > 0
    low, high = torch.where(right, -high, low), torch.where(right, -low, high)
    log_low, log_high = log_ndtr(low), log_ndtr(high)
    return log_high + torch.log(-torch.expm1(log_low - log_high))


def sample_sum(x: Samples) -> PerSample:
    """The sum over each sample (B,), float64 on the CPU."""
    return x.cpu().double().flatten(1).sum(1)


def checked(pixels: Tensor) -> Tensor:
    """The pixels, if they are 8-bit images.

    Raises:
        UserError: unless they are uint8 (B, C, H, W).
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4:
        raise UserError(
            f"the images are {pixels.dtype} {tuple(pixels.shape)}; a likelihood in bits is that of 8-bit "
            "pixels, uint8 (B, C, H, W)."
        )
    return pixels


def _falling(times: Sequence[float]) -> Sequence[float]:
    if not (
        times and in_interval(times[0], 0, 1) and times[-1] > 0 and all(t > s for t, s in pairwise(times))
    ):
        raise UserError(f"the times are {list(times)}; they must fall, from at most 1 to above 0.")
    return times
