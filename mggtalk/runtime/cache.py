"""Where downloaded files are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder of this project; ``MGGTALK_CACHE`` overrides it."""
    given = os.environ.get("MGGTALK_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mggtalk"
