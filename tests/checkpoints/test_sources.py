"""What a checkpoint's name means: a path, or what stands behind a prefix."""

from pathlib import Path

import pytest

from diffusion_lightning.checkpoints import sources
from diffusion_lightning.checkpoints.reader import find_checkpoint
from diffusion_lightning.errors import UserError


def test_a_prefix_is_looked_up_and_everything_else_is_a_path(monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "shop", lambda name: Path("bought") / name)
    assert sources.located("shop:a/b@c:d") == Path("bought/a/b@c:d")
    for path in "runs/shop", "shop", "C:\\runs\\a", "a:b", Path("x") / "shop:y", "./shop:a":
        assert sources.located(path) == Path(path)
    assert sources.located("~/x") == Path.home() / "x"


def test_a_prefix_that_is_not_known_is_a_file_that_is_not_there():
    with pytest.raises(UserError, match=r"no checkpoint at hub:some-one/digits; .*hf:owner/name"):
        find_checkpoint("hub:some-one/digits")
