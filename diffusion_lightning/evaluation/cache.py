"""The folder in which weights and the data's statistics are kept between runs."""

import os
from pathlib import Path

CACHE = "DIFFUSION_LIGHTNING_CACHE"
"""The environment variable that moves the cache."""


def cache_folder() -> Path:
    """$DIFFUSION_LIGHTNING_CACHE, or the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get(CACHE) or user_cache_path("diffusion-lightning")).expanduser()
