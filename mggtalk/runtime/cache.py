"""Folders of files: those that come with the project, and those that were downloaded."""

from __future__ import annotations

import os
from pathlib import Path


def embedded_weights(package: Path) -> Path:
    """Find the weights that come with the project: inside the installed package, beside it in a clone."""
    inside = package / "weights"
    return inside if inside.is_dir() else package.parent / "weights"


EMBEDDED = embedded_weights(Path(__file__).resolve().parents[1])
"""The weights that come with the project."""


def cache_folder() -> Path:
    """The user's cache folder of this project; ``MGGTALK_CACHE`` overrides it."""
    given = os.environ.get("MGGTALK_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mggtalk"
