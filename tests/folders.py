"""What lies in folders that a server changes meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> set[Path]:
    """All files below a folder; unlike Path.rglob, os.walk passes over folders that the page deletes meanwhile."""
    return {Path(place) / name for place, _, names in os.walk(folder) for name in names}
