"""The ideal denoiser of a finite data set: what a network would learn that could memorise all of it."""

import torch
from torch import Tensor, nn

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import X0
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.diffusion.shapes import Labels, PerSample, Samples, Scale
from diffusion_lightning.errors import UserError
from diffusion_lightning.samples import from_stored


class IdealDenoiser(Denoiser):
    """E[x0 | x_t] where x0 is one of N points, all equally likely: no denoiser has a smaller loss on them.

    x0(x_t, t) = Σ_i softmax_i(-|x_t - α x_i|²/(2σ²)) x_i, over the points of the sample's class, or over all
    of them for the null label. As t → 0 it is the nearest point, so that a walk ends in the data set: a
    network that draws anything new has not learned this.

    Whatever takes a `Denoiser` takes it: samplers, guidance, `DiffusionModel`, an objective. The points are
    its weights; it is computed in their precision, and never in a lower one.

    Source: Karras et al. 2022 (EDM, arXiv 2206.00364), appendix B.3, eq. 57.

    Args:
        points: the data set (N, *), as a model sees it, or uint8 images.
        schedule: α(t), σ(t) and T.
        labels: (N,), classes 0 … K - 1; None without classes.

    Raises:
        UserError: if there are no points, or not one label for each, or a class without points.
    """

    network: "Memory"

    def __init__(self, points: Tensor, schedule: Schedule, labels: Tensor | None = None) -> None:
        super().__init__(Memory(points, labels), schedule, X0())

    def output(self, x_t: Samples, time: PerSample, alpha: Scale, sigma: Scale, y: Labels | None) -> Samples:
        """x0 (B, *) at noise levels α and σ; the time plays no part."""
        points, kappa = self.network.points.flatten(1), sigma / alpha
        # Differences, not products: they lose nothing where points are near and the noise is small
        with torch.autocast(x_t.device.type, enabled=False):
            distances = torch.cdist(
                (x_t / alpha).to(points).flatten(1), points, compute_mode="donot_use_mm_for_euclid_dist"
            )
            kappa = kappa.flatten(1).to(points) if torch.is_tensor(kappa) and kappa.ndim else kappa
            likely = -0.5 * (distances / kappa).square()
            weights = likely.masked_fill(~self.network.eligible(y, len(x_t)), -torch.inf).softmax(1)
            return (weights @ points).view_as(x_t).to(x_t.dtype)


class Memory(nn.Module):
    """The points of a data set, in the place of a network.

    Args:
        points: (N, *), or uint8 images.
        labels: (N,), or None.

    Raises:
        UserError: if there are no points, or not one label for each, or a class without points.
    """

    def __init__(self, points: Tensor, labels: Tensor | None = None) -> None:
        super().__init__()
        known = torch.zeros(len(points)) if labels is None else labels
        if len(points) == 0 or known.shape != (len(points),):
            raise UserError(f"{len(points)} points have labels {tuple(known.shape)}; give one for each.")
        self.num_classes = 0 if labels is None else int(known.max()) + 1
        labels = known.long()
        classes = labels.unique()
        if not classes.equal(torch.arange(len(classes)).to(classes)):
            raise UserError(f"the labels are {classes.tolist()}; they must be 0, 1, …, each with points.")
        points = points if points.dtype == torch.float64 else from_stored(points)
        self.points = nn.Parameter(points.detach(), requires_grad=False)
        self.register_buffer("labels", labels)

    def eligible(self, y: Tensor | None, n: int) -> Tensor:
        """Which points count for labels y (n,), bool (n, N); all of them for the null label."""
        if y is None:
            return torch.ones(n, len(self.points), dtype=torch.bool, device=self.points.device)
        return (self.labels == y[:, None]) | (y[:, None] == self.num_classes)
