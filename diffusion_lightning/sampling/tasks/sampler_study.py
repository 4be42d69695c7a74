"""The samplers, seen side by side."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from diffusion_lightning.diffusion.samplers import Sampler
from diffusion_lightning.errors import UserError
from diffusion_lightning.figures import draw_panels, new_figure, panels_height, write_csv
from diffusion_lightning.sampling.model import Trained
from diffusion_lightning.sampling.tasks.base import Task, task_count

log = logging.getLogger(__name__)


class SamplerStudy(Task):
    """Samplers side by side, from the same noise, at several numbers of evaluations.

    Args:
        samplers: what is compared, by name; each is given the steps that make the evaluations.
        evaluations: of the network in a walk, at most; one column of panels each.
        num_images: images in a panel.
    """

    def __init__(
        self,
        samplers: Mapping[str, Sampler],
        evaluations: Sequence[int] = (10, 20, 50, 100, 1000),
        num_images: int = 5,
    ) -> None:
        if not evaluations:
            raise UserError("evaluations is empty; give at least one, such as [10,50].")
        self.samplers = dict(samplers)
        self.evaluations = [task_count("evaluations", n, 2) for n in evaluations]
        self.num_images = task_count("num_images", num_images)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw each panel, and say how many evaluations it took."""
        n, rows = self.num_images, []
        panels: dict[str, list[Tensor]] = {}
        for name, sampler in self.samplers.items():
            panels[name] = []
            for budget in self.evaluations:
                sampler.steps = steps_for(sampler, budget, trained.denoiser.schedule.T)
                images = trained.draw(trained.noise(range(n)), trained.y(n), sampler=sampler)
                used = trained.evaluations[-1]
                rows.append({"sampler": name, "budget": budget, "steps": sampler.steps, "nfe": used})
                log.info("%s: %d steps, %d evaluations", name, sampler.steps, used)
                panels[name].append(images)
        write_csv(rows, out / "samplers.csv")
        figure, (part,) = new_figure(16, [panels_height(panels, 16)])
        draw_panels(part, panels, [f"{n} evaluations" for n in self.evaluations])
        figure.savefig(out / "samplers.png")
        return out / "samplers.png"


def steps_for(sampler: Sampler, budget: int, most: int) -> int:
    """The most steps, up to `most`, whose walk costs no more than `budget` evaluations."""
    steps = [n for n in range(1, most + 1) if sampler.evaluations(n) <= budget]
    if not steps:
        raise UserError(f"{type(sampler).__name__} cannot draw in {budget} evaluations.")
    return steps[-1]
