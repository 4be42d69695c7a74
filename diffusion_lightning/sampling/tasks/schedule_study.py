"""Noise schedules side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.figures import draw_panels, new_figure, panels_height
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_figure, task_count
from diffusion_lightning.tables import write_csv


class ScheduleStudy(Task):
    """The schedules: ᾱ(t), log-SNR, and the forward process x_t = α x0 + σ ε on a real image.

    Args:
        schedules: what is compared, by name.
        image: a file, or the number of a test image.
        times: columns of the forward process, t = 0 … 1.
    """

    unread: ClassVar = dict.fromkeys(
        ("num_images", "labels", "sampler", "guidance", "clamp"), "task.schedules and task.image"
    )

    def __init__(self, schedules: Mapping[str, Schedule], image: int | str = 0, times: int = 11) -> None:
        self.schedules = dict(schedules)
        self.image = image
        self.times = task_count("times", times, 2)

    def evaluations(self, request: SamplingRequest) -> int:
        """None: only noise is added."""
        return 0

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Evaluate on a fine grid of times, and walk the real image into noise."""
        t = torch.linspace(0.001, 1, 1000, dtype=torch.float64)
        panels = {name: [self._forward(request, schedule)] for name, schedule in self.schedules.items()}
        (source,) = request.sources([self.image], None)
        title = request.title(
            f"Schedules (natural logarithm), and x_t = α x0 + σ ε for {source}",
            "model",
            "sampler",
            "guidance",
        )
        figure, (curves, strips) = new_figure(11, [3.4, panels_height(panels, 11)], title)
        left, right = curves.subplots(1, 2)
        rows = []
        for name, schedule in self.schedules.items():
            alpha_bar, log_snr = schedule.alpha(t) ** 2, 2 * schedule.lam(t)
            left.plot(t, alpha_bar, label=name)
            right.plot(t, log_snr, label=name)
            rows += [
                {"schedule": name, "t": a, "alpha_bar": b, "log_snr": c}
                for a, b, c in zip(t.tolist(), alpha_bar.tolist(), log_snr.tolist(), strict=True)
            ]
        left.set(title="ᾱ(t)", xlabel="t")
        right.set(title="log SNR(t) = 2λ", xlabel="t")
        left.legend()
        draw_panels(strips, panels, [f"x_t, t = 0 … 1 in {self.times - 1} steps"])
        write_csv(rows, out / "schedules.csv")
        return save_figure(figure, out / "schedules.png")

    def _forward(self, request: SamplingRequest, schedule: Schedule) -> Tensor:
        x0, _ = request.images([self.image])
        eps = request.noise([0])()
        times = torch.linspace(0, 1, self.times, dtype=torch.float64).tolist()
        return torch.cat([schedule.alpha(t) * x0 + schedule.sigma(t) * eps for t in times])
