"""Files that are written beside their place and moved there when they are whole."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def temporary_beside(path: Path, suffix: str) -> Path:
    """A new name in the folder of ``path``, so that a rename onto it cannot cross file systems."""
    return path.absolute().parent / f".mggtalk-{uuid.uuid4().hex}{suffix}"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside a path to write to; what was written gets the path's name at the end.

    After an error nothing of it remains, and a file that was there before is still there.

    Args:
        path: Where the whole file is to stand.

    Yields:
        The other name, with the same ending in lower case.
    """
    partial = temporary_beside(path, path.suffix.lower())
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
