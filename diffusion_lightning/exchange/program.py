"""The denoiser as one program (x_t, t, y) → x0, the schedule folded into it, for other runtimes."""

import copy
import warnings

import torch
from torch import Tensor, nn

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.schedules import BetaSchedule
from diffusion_lightning.diffusion.shapes import append_dims
from diffusion_lightning.errors import UserError, first_line

SAME_TIMESTEP = 2**-22
"""T t that is no further, relatively, from an integer is that timestep: t in float32 tells no more apart."""

FINE = 100_000
"""Entries of the table of a schedule in closed form, at least."""

INPUTS = "x_t", "t", "y"
OUTPUT = "x0"


class X0Program(nn.Module):
    """The predicted clean images at times that differ from image to image, in float32 alone.

    log ᾱ is a table at n times i/n, and linear between them, as it is in `BetaSchedule` with n = T. With
    f = n t - i and the fall d = f (log ᾱ_i - log ᾱ_(i+1)),

        α = α_i e^(-d/2),  σ² = σ_i² + ᾱ_i (1 - e^-d),  1 - e^-d = 2 tanh(d/2)/(1 + tanh(d/2)),

    where nothing cancels. The tables are computed in float64 and stored in float32. At the timesteps t = i/T,
    α and σ are those of the schedule, rounded to float32; between them α is off by what the rounding of t
    makes of it, up to 3e-8 |dlog ᾱ/dt|.

    Args:
        denoiser: the trained denoiser.
    """

    alpha: Tensor
    variance: Tensor
    fall: Tensor

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.network = denoiser.network
        self.parameterization = denoiser.parameterization
        schedule = denoiser.schedule
        self.T = schedule.T
        self.finer = 1 if isinstance(schedule, BetaSchedule) else -(-FINE // self.T)
        n = self.finer * self.T
        t = torch.arange(n + 1, dtype=torch.float64) / n
        log_alpha_bar = schedule.log_alpha_bar(t)
        fall = torch.cat([-log_alpha_bar.diff(), torch.zeros(1, dtype=torch.float64)])
        for name, table in {
            "alpha": schedule.alpha(t),
            "variance": schedule.sigma(t) ** 2,
            "fall": fall,
        }.items():
            self.register_buffer(name, table.float())

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Noisy images (B, C, H, W), times (B,) in (0, 1] and labels (B,) to clean images (B, C, H, W)."""
        time = self.T * t
        nearest = time.round()
        time = torch.where((time - nearest).abs() <= SAME_TIMESTEP * nearest, nearest, time)
        alpha, sigma = (append_dims(scale, x_t.ndim) for scale in self.scales(time))
        output = self.network(self.parameterization.network_input(x_t, alpha, sigma), time, y)
        return self.parameterization.x0(output, x_t, alpha, sigma)

    def scales(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ (B,) at times T t (B,)."""
        place = self.finer * time
        i = place.floor().clamp(0, len(self.fall) - 1).long()
        d = (place - i) * self.fall[i]
        h = torch.tanh(d / 2)
        alpha = self.alpha[i]
        return alpha * torch.exp(-d / 2), torch.sqrt(self.variance[i] + alpha**2 * 2 * h / (1 + h))


def traced(denoiser: Denoiser, shape: tuple[int, int, int]) -> torch.export.ExportedProgram:
    """The program for batches of any size.

    Args:
        denoiser: the trained denoiser; it is not changed.
        shape: (C, H, W) of an image.

    Raises:
        UserError: if the network or the parameterization cannot be traced.
    """
    program = X0Program(copy.deepcopy(denoiser)).float().eval().requires_grad_(False)
    example = torch.zeros(2, *shape), torch.tensor([1.0, 0.5]), torch.zeros(2, dtype=torch.long)
    batch = torch.export.Dim("batch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own parts
            exported = torch.export.export(
                program, example, dynamic_shapes={name: {0: batch} for name in INPUTS}
            )
    except Exception as error:  # whatever tracing makes of foreign code
        network = type(denoiser.network).__name__
        raise UserError(f"{network} cannot be exported: torch.export says: {first_line(error)}") from error
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)  # names folders of this machine
    return exported
