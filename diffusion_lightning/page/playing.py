"""What all tabs of the page share."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from diffusion_lightning.page.places import Models, Places
from diffusion_lightning.page.sessions import Sessions

log = logging.getLogger("playground")


@dataclass(frozen=True, eq=False)
class Playground:
    """What the page is started with.

    Args:
        places: what it may read.
        models: loads those that are chosen.
        walks: walks at once, of all pages together; others wait.
        explain: turns an exception into a message of one line; None if the exception is a bug.
        sessions: the open pages.
    """

    places: Places
    models: Models
    walks: int
    explain: Callable[[BaseException], str | None]
    sessions: Sessions = field(default_factory=Sessions)

    def said(self, error: Exception) -> str:
        """What the page says of an error; a bug is told in the terminal."""
        text = self.explain(error)
        if text is None:
            log.error("the playground failed by a bug:", exc_info=error)
        return text or "this failed by a bug; the terminal that the playground runs in says more."
