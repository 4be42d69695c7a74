"""Samplers side by side."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from diffusion_lightning.diffusion.samplers import Sampler
from diffusion_lightning.errors import UserError
from diffusion_lightning.figures import draw_panels, new_figure, panels_height
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_figure, task_count
from diffusion_lightning.tables import write_csv

log = logging.getLogger(__name__)


class SamplerStudy(Task):
    """Samplers side by side, from the same noise, at several numbers of evaluations.

    Args:
        samplers: what is compared, by name; each takes as many steps as its evaluations allow.
        evaluations: upper bounds of the evaluations in a walk; one column of panels each.
        num_images: images in a panel.
    """

    unread: ClassVar = {"num_images": "task.num_images", "sampler": "task.samplers and task.evaluations"}

    def __init__(
        self,
        samplers: Mapping[str, Sampler],
        evaluations: Sequence[int] = (10, 20, 50, 100, 1000),
        num_images: int = 5,
    ) -> None:
        if not evaluations:
            raise UserError("evaluations is empty; give at least one, such as [10,50].")
        self.samplers = dict(samplers)
        self.evaluations_at_most = [task_count("evaluations", n, 2) for n in evaluations]
        self.num_images = task_count("num_images", num_images)

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per sampler and budget."""
        return sum(request.model.evaluations(walk) for _, _, walk in self._walks(request))

    def _walks(self, request: SamplingRequest) -> list[tuple[str, int, Sampler]]:
        """Name, budget, and the sampler with as many steps as the budget allows.

        Raises:
            UserError: if a sampler's own times are too many for a budget.
        """
        schedule = request.model.denoiser.schedule
        walks = [
            (name, budget, replace(sampler, steps=steps_for(sampler, budget, schedule.T)))
            for name, sampler in self.samplers.items()
            for budget in self.evaluations_at_most
        ]
        for name, budget, walk in walks:
            steps = len(walk.times(schedule))
            if walk.evaluations(steps) > budget:
                raise UserError(f"{name} has {steps} times of its own, too many for {budget} evaluations.")
        return walks

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw each panel, and log its number of evaluations."""
        n, rows = self.num_images, []
        panels: dict[str, list[Tensor]] = {name: [] for name in self.samplers}
        for name, budget, walk in self._walks(request):
            images = request.draw(request.noise(range(n)), request.y(n), sampler=walk)
            steps, used = len(walk.times(request.model.denoiser.schedule)), request.model.walks[-1].nfe
            rows.append({"sampler": name, "budget": budget, "steps": steps, "nfe": used})
            log.info("%s: %d steps, %d evaluations", name, steps, used)
            panels[name].append(images)
        write_csv(rows, out / "samplers.csv")
        images_of = ", ".join(request.drawn(range(n), request.y(n)))
        title = request.title(f"Samplers, each from the same noise: {images_of}", "sampler")
        figure, (part,) = new_figure(16, [panels_height(panels, 16)], title)
        draw_panels(part, panels, [f"{n} evaluations" for n in self.evaluations_at_most])
        return save_figure(figure, out / "samplers.png")


def steps_for(sampler: Sampler, budget: int, most: int) -> int:
    """The largest number of steps, up to `most`, whose walk needs at most `budget` evaluations."""
    steps = [n for n in range(1, most + 1) if sampler.evaluations(n) <= budget]
    if not steps:
        raise UserError(f"{type(sampler).__name__} cannot draw in {budget} evaluations.")
    return steps[-1]
