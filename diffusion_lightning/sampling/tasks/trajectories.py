"""Walks on the plane: the paths of points, the score that moves them, and where all points are at time t."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion_lightning.captions import Captions
from diffusion_lightning.diffusion.clamp import NoClamp
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError, naming
from diffusion_lightning.figures import new_figure
from diffusion_lightning.images import save_film
from diffusion_lightning.points import COLOURS, WALK, scatter
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, check_film, save_figure, task_count

ARROWS = 17
"""Arrows of the score along each side of a panel."""

FRAMES = 80
"""Frames of the film."""

PANEL = 2.5
"""Side of a panel of the figure, in inches."""


@dataclass(frozen=True)
class PointWalk:
    """All points of one walk at every time of its grid, and at its end.

    Args:
        times: t_N > … > t_1 > 0, and 0.
        x: x_t at these times, and the samples at 0, (N + 1, B, 2) on the CPU.
        labels: (B,), or None.
    """

    times: Sequence[float]
    x: Tensor
    labels: Tensor | None

    @property
    def inks(self) -> list[str]:
        """A colour for each point: that of its label, if it has one."""
        labels = [0] * self.x.shape[1] if self.labels is None else self.labels.tolist()
        return [COLOURS[y % len(COLOURS)] for y in labels]

    def at(self, t: float) -> Tensor:
        """The points (B, 2) at the time of the walk that is nearest to t."""
        return self.x[min(range(len(self.times)), key=lambda i: abs(self.times[i] - t))]


class Trajectories(Task):
    """One row per sampler, all from the same noise: some paths, then all points and the score at some times.

    The arrows are σ ∇ log p(x_t) = -ε as the model predicts it without labels, or for the first label asked
    for, if it never learned to do without. Below, the first sampler walks with each guidance scale, which
    bends the paths, if the model can be guided. The film shows all points of all samplers at the same times.

    Args:
        samplers: what is compared, by name.
        scales: guidance scales w of the last row; none leaves it out.
        num_points: points that walk.
        paths: of these, the first ones whose paths are drawn.
        times: at which all points are shown.
        film: name of the film, ending in .webp or .gif; None for none.
        seconds: duration of the film.

    Raises:
        UserError: if a value is out of its range; when called, if the model does not draw points of a plane.
    """

    unread: ClassVar = {"num_images": "task.num_points", "sampler": "task.samplers"}

    def __init__(
        self,
        samplers: Mapping[str, Sampler],
        scales: Sequence[float] = (0.0, 1.0, 2.0, 4.0),
        num_points: int = 1000,
        paths: int = 12,
        times: Sequence[float] = (1.0, 0.4, 0.2, 0.1, 0.0),
        film: str | None = "film.webp",
        seconds: float = 5.0,
    ) -> None:
        if not samplers:
            raise UserError("samplers is empty; give at least one, such as DDIM.")
        if not times or not all(0 <= t <= 1 for t in times):
            raise UserError(f"times is {list(times)}; it must list times from 0 to 1, such as [1,0.5,0].")
        check_film(film, seconds)
        self.samplers = dict(samplers)
        self.scales = [float(w) for w in scales]
        self.num_points = task_count("num_points", num_points)
        self.paths = min(task_count("paths", paths), num_points)
        self.times = times
        self.film = film
        self.seconds = seconds

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per sampler, and one of the first per guidance scale."""
        each = [request.model.evaluations(sampler) for sampler in self.samplers.values()]
        return sum(each) + each[0] * len(self._guidances(request))

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Walk with each sampler, then with each guidance scale."""
        if request.model.shape != (2,):
            raise UserError(
                f"task=trajectories draws points of the plane, and this model {request.model.shape}; "
                "task=filmstrip shows the walk of images."
            )
        walks = {name: self._walk(request, sampler) for name, sampler in self.samplers.items()}
        first, guidances = next(iter(self.samplers.values())), self._guidances(request)
        guided = {f"w = {g.scale:g}": self._walk(request, first, g) for g in guidances}
        path = self._figure(request, walks, guided, out)
        if self.film:
            save_film(self._frames(request, walks), out / self.film, self.seconds)
        return path

    def _guidances(self, request: SamplingRequest) -> list[Guidance]:
        """The guidance of the last row; none for a model that lacks a branch."""
        if request.model.guidance.p_uncond in (0, 1):
            return []
        with naming("task.scales"):
            return [replace(request.sampling.guidance, scale=w) for w in self.scales]

    def _walk(
        self, request: SamplingRequest, sampler: Sampler, guidance: Guidance | None = None
    ) -> PointWalk:
        """All points at all times."""
        guidance = guidance or request.sampling.guidance
        times, seen = [], []

        def watch(i: int, t: float, prediction: Prediction) -> None:
            times.append(t)
            seen.append(prediction.x_t.cpu())

        y = request.model.y(request.labels or request.model.all_classes(guidance), self.num_points, guidance)
        noise = request.noise(range(self.num_points))
        end = request.draw(noise, y, sampler=sampler, guidance=guidance, callback=watch)
        return PointWalk([*times, 0.0], torch.stack([*seen, end.cpu()]), y)

    def _figure(
        self,
        request: SamplingRequest,
        walks: Mapping[str, PointWalk],
        guided: Mapping[str, PointWalk],
        out: Path,
    ) -> Path:
        """Write the figure."""
        width = PANEL * (1 + len(self.times))
        heights = [PANEL * len(walks)]
        if guided:
            heights.append(width / len(guided) + 0.3)
        text = "Walks from the same noise; the arrows are the score, times the scale of the noise"
        figure, (upper, *lower) = new_figure(width, heights, request.title(text, "sampler"))
        self._draw_samplers(upper, request, walks)
        for part in lower:
            (axes,) = part.subplots(1, len(guided), squeeze=False)
            for (name, walk), axis in zip(guided.items(), axes, strict=True):
                _draw_paths(axis, walk, self.paths)
                axis.set_title(f"{next(iter(walks))}, {name}", fontsize="medium")
        for axis in figure.axes:
            axis.set(xlim=(-WALK, WALK), ylim=(-WALK, WALK), xticks=[], yticks=[], aspect="equal")
        return save_figure(figure, out / "trajectories.png")

    def _draw_samplers(self, part: Any, request: SamplingRequest, walks: Mapping[str, PointWalk]) -> None:
        """One row per sampler: paths, then points and score at each time."""
        axes = part.subplots(len(walks), 1 + len(self.times), squeeze=False)
        for (name, walk), line in zip(walks.items(), axes, strict=True):
            _draw_paths(line[0], walk, self.paths)
            line[0].set_ylabel(name)
            for t, axis in zip(self.times, line[1:], strict=True):
                axis.scatter(*walk.at(t).T, s=1.5, c=walk.inks, alpha=0.5, lw=0)
                places, score = self._score(request, max(t, walk.times[-2]))
                axis.quiver(*places.T, *score.T, color="#404040", alpha=0.6, width=0.004, scale=40)
        for text, axis in zip(["paths", *(f"t = {t:g}" for t in self.times)], axes[0], strict=True):
            axis.set_title(text, fontsize="medium")

    def _score(self, request: SamplingRequest, t: float) -> tuple[Tensor, Tensor]:
        """Points (ARROWS², 2), and σ ∇ log p there at time t."""
        model, p_uncond = request.model, request.model.guidance.p_uncond
        guidance = Guidance(p_uncond, 1.0 if p_uncond == 0 else 0.0)
        line = 0.95 * WALK * torch.linspace(-1, 1, ARROWS)
        places = torch.cartesian_prod(line, line)
        y = model.y((request.labels or [0])[:1], len(places), guidance)
        with torch.no_grad():
            seen = SamplingModel(model.denoiser, guidance, NoClamp(), y)(places.to(model.device), t)
        return places, (seen.sigma * seen.score).cpu()

    def _frames(self, request: SamplingRequest, walks: Mapping[str, PointWalk]) -> list[Tensor]:
        """All points of all samplers at the same times, a panel for each sampler."""
        frames = []
        names = request.names(next(iter(walks.values())).labels, self.num_points)
        for t in torch.linspace(1, 0, FRAMES).tolist():
            captions = Captions(f"t = {t:.2f}", rows=list(walks), images=names)
            points = torch.stack([walk.at(t) for walk in walks.values()])
            frames.append(scatter(points, captions=captions if request.captioned else None, extent=WALK))
        return frames


def _draw_paths(axis: Any, walk: PointWalk, paths: int) -> None:
    """The first paths, from their starts (rings) to their ends (dots), on where all points end."""
    inks = walk.inks[:paths]
    axis.scatter(*walk.x[-1].T, s=1, c="#d8d8d8")
    for path, ink in zip(walk.x[:, :paths].unbind(1), inks, strict=True):
        axis.plot(*path.T, c=ink, lw=0.6, alpha=0.7)
    axis.scatter(*walk.x[0, :paths].T, s=5, facecolors="white", edgecolors=inks, lw=0.6, zorder=3)
    axis.scatter(*walk.x[-1, :paths].T, s=6, c=inks, zorder=4)
