"""One walk in a thread of its own, whose frames come out as it makes them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue

import torch
from torch import Tensor

from diffusion_lightning.captions import Captions
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import WalkCallback
from diffusion_lightning.images import to_uint8
from diffusion_lightning.points import WALK, scatter
from diffusion_lightning.samples import is_image

MOST_FRAMES = 100
"""Frames of a longer walk are spread evenly over its steps."""

MOST_BYTES = 100_000_000
"""Of all frames of a walk; of large images there are fewer frames."""

PATHS = 30
"""Points whose paths are drawn."""

PATIENCE = 60.0
"""Seconds for which a walk waits for somebody to take its frame, before it stops."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A moment of a walk.

    Args:
        step: 1 … steps.
        steps: times of the grid.
        t: the time.
        x_t, x0: the samples and the prediction, as 8-bit pixels (B, C, H, W) on the CPU; of points (B, D)
            one scatter (1, C, H, W), that of x_t with the paths of the first points up to here.
    """

    step: int
    steps: int
    t: float
    x_t: Tensor
    x0: Tensor


class Stopped(Exception):
    """The walk was stopped."""


class Walk:
    """A walk that waits for each of its frames to be taken, and can be stopped at any step.

    Args:
        draw: walks with this callback, as the methods of the model do.
        steps: times of its grid.
        names: of the samples; points of one name have one colour.
    """

    def __init__(self, draw: Callable[[WalkCallback], Tensor], steps: int, names: Sequence[str] = ()) -> None:
        self._draw, self.steps, self._names = draw, steps, names
        self._path: list[Tensor] = []
        self._frames: Queue[Frame | BaseException | None] = Queue(1)
        self._stop = threading.Event()

    def stop(self) -> None:
        """End the walk at its next step."""
        self._stop.set()

    @property
    def ended(self) -> bool:
        """Whether it was stopped, or came to its end."""
        return self._stop.is_set()

    def __iter__(self) -> Iterator[Frame]:
        """The frames, from the first time of the grid to the last; fewer if it is stopped.

        Raises:
            UserError: what the walk raises.
        """
        thread = threading.Thread(target=self._walk, name="walk", daemon=True)
        thread.start()
        try:
            while (frame := self._next(thread)) is not None:
                if isinstance(frame, BaseException):
                    raise frame
                yield frame
        finally:
            self.stop()

    def _next(self, thread: threading.Thread) -> Frame | BaseException | None:
        while True:
            try:
                return self._frames.get(timeout=0.1)
            except Empty:
                if not thread.is_alive() and self._frames.empty():
                    return None

    def _walk(self) -> None:
        with suppress(Stopped):
            try:
                self._draw(self._watch)
                self._hand_over(None)
            except Stopped:
                raise
            except BaseException as error:  # it is raised again where the frames are taken
                self._hand_over(error)

    def _watch(self, i: int, t: float, prediction: Prediction) -> None:
        """The callback of the sampler."""
        if self._stop.is_set():
            raise Stopped
        most = min(MOST_FRAMES, max(2, MOST_BYTES // (2 * prediction.x0.numel())))
        if i == self.steps - 1 or i % -(-self.steps // most) == 0:
            self._hand_over(Frame(i + 1, self.steps, t, *self._pictures(prediction)))

    def _pictures(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """x_t and x0 as 8-bit pictures."""
        x_t, x0 = prediction.x_t.float().cpu(), prediction.x0.float().cpu()
        if is_image(x0.shape[1:]):
            return to_uint8(x_t), to_uint8(x0)
        self._path.append(x_t[:PATHS])
        names = Captions(images=self._names)
        walked = scatter(x_t, captions=names, extent=WALK, paths=torch.stack(self._path))
        return walked[None], scatter(x0, captions=names, extent=WALK)[None]

    def _hand_over(self, frame: Frame | BaseException | None) -> None:
        for _ in range(int(PATIENCE / 0.1)):
            if self._stop.is_set():
                break
            try:
                return self._frames.put(frame, timeout=0.1)
            except Full:
                continue
        self.stop()
        raise Stopped


def side_by_side(walks: list[Walk]) -> Iterator[list[Frame]]:
    """The latest frame of each of several walks, as they go on together.

    All are stopped where one fails, and when nobody looks any more.
    """
    iterators = [iter(walk) for walk in walks]
    latest: list[Frame | None] = [None] * len(walks)
    try:
        while True:
            new = [next(iterator, None) for iterator in iterators]
            if not any(new):
                return
            latest = [frame or before for frame, before in zip(new, latest, strict=True)]
            yield [frame for frame in latest if frame is not None]
    finally:
        for walk in walks:
            walk.stop()
