"""What the x0-clamp does to a walk."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from diffusion_lightning.diffusion.clamp import Clamp
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.figures import draw_panels, new_figure, panels_height
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_figure, task_count
from diffusion_lightning.tables import write_csv

log = logging.getLogger(__name__)

MEASURES = "x_t mean", "x_t std", "x_t outside", "x0 mean", "x0 std", "x0 outside"
"""Columns of clamp.csv and panels of the figure."""


class ClampStudy(Task):
    """Mean, spread and saturation along the walk, and the images, with the x0-clamp and without.

    Saturation is the fraction of pixels outside [-1, 1], of x_t and of x0 as the sampler sees it.

    Source: Ho et al. 2020 (DDPM), released code, which clips x0 in every step.

    Args:
        clamps: what is compared, by name.
        num_images: images that are averaged.
        shown: images in the figure.
    """

    unread: ClassVar = {"num_images": "task.num_images", "clamp": "task.clamps"}

    def __init__(self, clamps: Mapping[str, Clamp], num_images: int = 64, shown: int = 8) -> None:
        self.clamps = dict(clamps)
        self.num_images = task_count("num_images", num_images)
        self.shown = min(task_count("shown", shown), num_images)

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per clamp."""
        return len(self.clamps) * request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Walk from the same noise with each clamp."""
        rows: list[dict[str, Any]] = []
        images = {name: self._walk(request, name, clamp, rows) for name, clamp in self.clamps.items()}
        write_csv(rows, out / "clamp.csv")
        panels = {f"clamp={name}": [x[: self.shown]] for name, x in images.items()}
        title = request.title(
            f"The x0-clamp: mean, standard deviation and fraction outside [-1, 1] of the pixels of "
            f"{self.num_images} images along the walk, and {self.shown} of the images"
        )
        figure, (curves, strips) = new_figure(11, [5.5, panels_height(panels, 11)], title)
        for axis, measure in zip(curves.subplots(2, 3).flat, MEASURES, strict=True):
            for name in self.clamps:
                mine = [r for r in rows if r["clamp"] == name]
                axis.plot([r["t"] for r in mine], [r[measure] for r in mine], label=name)
            axis.set(title=measure, xlabel="t", xlim=(1, 0))
            if max(abs(r[measure]) for r in rows) > 10:  # an unclamped walk may leave every scale
                axis.set_yscale("symlog")
                if min(r[measure] for r in rows) >= 0:
                    axis.set_ylim(bottom=0)
        curves.axes[0].legend(title="clamp")
        draw_panels(strips, panels)
        return save_figure(figure, out / "clamp.png")

    def _walk(self, request: SamplingRequest, name: str, clamp: Clamp, rows: list[dict[str, Any]]) -> Tensor:
        def watch(i: int, t: float, prediction: Prediction) -> None:
            row: dict[str, Any] = {"clamp": name, "t": t}
            for key, x in (("x_t", prediction.x_t), ("x0", prediction.x0)):
                outside = (x.abs() > 1).float().mean()
                row |= {f"{key} mean": float(x.mean()), f"{key} std": float(x.std())}
                row |= {f"{key} outside": float(outside)}
            rows.append(row)

        n = self.num_images
        images = request.draw(request.noise(range(n)), request.y(n), clamp=clamp, callback=watch)
        log.info(
            "clamp=%s: mean %.3f, std %.3f, %.1f %% of the pixels outside [-1, 1]",
            name, images.mean(), images.std(), 100 * (images.abs() > 1).float().mean(),
        )  # fmt: skip
        return images
