"""Things to try: files of this project, and a portrait that comes with an installed package."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import skimage.data
from PIL import Image

FOLDER = Path(__file__).resolve().parent.parent / "examples"


class Examples(NamedTuple):
    """Copies in a temporary folder, which the page may serve from whatever folder it was started in."""

    portrait: str
    motions: tuple[str, ...]
    speech: tuple[str, ...]


def collect() -> Examples:
    """Put the examples together.

    Returns:
        Their paths; motions and recordings are those of the folder ``examples``, in order of their names.
    """
    folder = Path(tempfile.mkdtemp(prefix="mggtalk-examples-"))
    portrait = folder / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(portrait)
    return Examples(str(portrait), _copies("*.npz", folder), _copies("*.flac", folder))


def _copies(pattern: str, folder: Path) -> tuple[str, ...]:
    """Copy the matching examples into a folder."""
    return tuple(str(shutil.copy(path, folder)) for path in sorted(FOLDER.glob(pattern)))
