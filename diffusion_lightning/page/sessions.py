"""What each open page holds for itself: its walks, their frames, its pictures."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from diffusion_lightning.page.calls import Call
from diffusion_lightning.page.walk import Frame, Walk

MOST_SESSIONS = 50
"""With more open pages than this, the least recently used ones without a running walk lose what they hold."""


@dataclass(eq=False)
class Shown:
    """The walks of one tab: what they draw, and all of their frames so far."""

    calls: Sequence[Call]
    walks: Sequence[Walk]
    frames: list[list[Frame]] = field(default_factory=list)

    def close(self) -> None:
        """End the walks at their next step, or before their first."""
        for walk in self.walks:
            walk.stop()


@dataclass(eq=False)
class Session:
    """One open page.

    Args:
        shown: tab → its walks.
        pictures: tab → the picture that is changed there, uint8 (C, H, W).
    """

    shown: dict[str, Shown] = field(default_factory=dict)
    pictures: dict[str, Tensor] = field(default_factory=dict)

    def begin(self, tab: str, calls: Sequence[Call]) -> Shown:
        """New walks of a tab, in place of those before, which are stopped."""
        self.stop(tab)
        self.shown[tab] = Shown(calls, [Walk(call, call.steps, call.names) for call in calls])
        return self.shown[tab]

    def stop(self, tab: str | None = None) -> None:
        """Stop the walks of a tab, or of all."""
        for name in [tab] if tab else list(self.shown):
            if name in self.shown:
                self.shown[name].close()

    @property
    def walks(self) -> bool:
        """Whether one of its walks is running."""
        return any(not walk.ended for shown in self.shown.values() for walk in shown.walks)

    @property
    def drawn(self) -> Tensor | None:
        """The first image of the first tab, uint8 (C, H, W), if one was drawn."""
        drawn = self.shown.get("draw")
        return drawn.frames[-1][0].x0[0] if drawn and drawn.frames else None


class Sessions:
    """The open pages by the key that each browser tab made for itself."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def of(self, key: str | None) -> Session:
        """The session of a key, made if it is new."""
        with self._one_at_a_time:
            session = self._open.pop(str(key), None) or Session()
            self._open[str(key)] = session
            idle = [key for key, other in self._open.items() if not other.walks and other is not session]
            for least_used in idle[: max(0, len(self._open) - MOST_SESSIONS)]:
                del self._open[least_used]
            return session

    def end(self, key: str | None) -> None:
        """Forget a page that was closed, and stop its walks."""
        with self._one_at_a_time:
            session = self._open.pop(str(key), None)
        if session is not None:
            session.stop()
