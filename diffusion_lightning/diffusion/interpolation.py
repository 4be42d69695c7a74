"""Latent space: the way back from a sample to its noise, and the way from one latent to another."""

from dataclasses import dataclass

import torch

from diffusion_lightning.diffusion.denoiser import PredictsX0
from diffusion_lightning.diffusion.guidance import Guidance, Guide
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.samplers import DDIM, Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Labels, PerSample, Samples, append_dims
from diffusion_lightning.errors import UserError


@torch.no_grad()
def invert(model: SamplingModel, x0: Samples, sampler: Sampler, refinements: int = 2) -> Samples:
    """The latent (B, *) from which DDIM on the sampler's grid returns to x0 (B, *).

    DDIM's step x_s = α_s (x_t - σ_t ε)/α_t + σ_s ε is solved for x_t, upwards from x0, by iterating
    x_t ← α_t (x_s - σ_s ε(x_t))/α_s + σ_t ε(x_t) from the ε of the time before. With one refinement
    that is the usual inversion, whose error falls with the steps; more approach the exact inverse.

    Source: Song, Meng & Ermon 2021 (DDIM, arXiv 2010.02502), section 4.3; Pan et al. 2023 (Effective Real
    Image Editing with Accelerated Iterative Diffusion Inversion, arXiv 2309.04907), eq. 6, for the
    iteration.

    Raises:
        UserError: unless the sampler is DDIM with η = 0, the only one whose steps can be retraced.
        NotFinite: if x_t or x0 overflows on the way; the message names the step.
    """
    if not isinstance(sampler, DDIM) or sampler.eta > 0:
        raise UserError(
            f"real images are inverted along the steps of DDIM with eta=0, which {sampler} would not "
            "retrace; use DDIM with eta=0."
        )
    schedule = model.schedule
    levels = schedule.levels(sampler.times(schedule))
    times = [level.t for level in reversed(levels)]
    x_s, s = x0, schedule.level(0.0)
    eps = model(x0, levels[-1]).eps
    for t in reversed(levels):
        for _ in range(refinements):
            x_t = t.alpha * (x_s - s.sigma * eps) / s.alpha + t.sigma * eps
            eps = model(x_t, t).eps
        x_s = t.alpha * (x_s - s.sigma * eps) / s.alpha + t.sigma * eps
        s = t
        model.finite.check("inversion", times)
    model.finite.see(s.t, latent=x_s)
    model.finite.check("inversion", times, last=True)
    return x_s


def slerp(a: Samples, b: Samples, u: PerSample) -> Samples:
    """Spherical interpolation from a (u = 0) to b (u = 1), sample by sample, which keeps the norm of noise.

    sin((1 - u) θ)/sin θ a + sin(u θ)/sin θ b, θ the angle between a and b, both (B, *); u is (B,).

    Source: Shoemake 1985; Song, Meng & Ermon 2021 (DDIM, arXiv 2010.02502), appendix D.5.
    """
    # In float64, which not every device has
    flat_a, flat_b = a.cpu().double().flatten(1), b.cpu().double().flatten(1)
    cosine = torch.nn.functional.cosine_similarity(flat_a, flat_b)
    theta = torch.arccos(cosine.clamp(-1, 1))[:, None]
    u = u.to(theta)[:, None]
    # Along one line, where sin θ is 0, the sphere's arc is the line.
    straight = theta.sin() < 1e-6
    of_a = torch.where(straight, 1 - u, ((1 - u) * theta).sin() / theta.sin())
    of_b = torch.where(straight, u, (u * theta).sin() / theta.sin())
    return (of_a * flat_a + of_b * flat_b).to(a).view_as(a)


@dataclass(frozen=True, eq=False)
class SlerpNoise:
    """Each draw lies between the same draws of two sources, so the ends are those sources' images.

    With independent sources every draw is again standard normal, whatever the sampler does with it.
    """

    a: Noise
    b: Noise
    u: PerSample

    def __call__(self) -> Samples:
        """The next draw (B, *)."""
        return slerp(self.a(), self.b(), self.u)


@dataclass(frozen=True, eq=False)
class LabelMorph:
    """Guidance whose x0 goes from one label's (u = 0) to another's (u = 1).

    x0 = (1 - u) x0(y) + u x0(y_end); the labels y are the sampling model's own.

    Args:
        guidance: combines the branches of each label.
        y_end: labels (B,) at u = 1.
        u: (B,).
    """

    guidance: Guidance
    y_end: Labels
    u: PerSample

    def x0(self, denoiser: PredictsX0, x_t: Samples, level: Level, y: Labels | None) -> Samples:
        """x0 (B, *), from one batched forward of both labels."""
        if y is None:
            return self.guidance.x0(denoiser, x_t, level, y)
        both = self.guidance.x0(denoiser, torch.cat([x_t, x_t]), level, torch.cat([y, self.y_end]))
        start, end = both.chunk(2)
        return torch.lerp(start, end, append_dims(self.u, x_t.ndim).to(x_t))


def morph(guidance: Guidance, y: Labels, y_end: Labels, u: PerSample) -> Guide:
    """Guidance whose x0 goes from labels y (B,) to labels y_end (B,); the given one where all labels stay.

    Whether they do is asked here, and u moved, once: in each evaluation a GPU would be waited for.
    """
    if torch.equal(y, y_end):
        return guidance
    return LabelMorph(guidance, y_end, u.to(y.device, torch.float32))  # not every device has float64
