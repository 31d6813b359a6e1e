"""Files that are written beside their place and moved there when they are whole."""

from __future__ import annotations

import uuid
from pathlib import Path


def temporary_beside(path: Path, suffix: str) -> Path:
    """A new name in the folder of ``path``, so that a rename onto it cannot cross file systems."""
    return path.absolute().parent / f".mggtalk-{uuid.uuid4().hex}{suffix}"
