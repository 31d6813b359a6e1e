"""Files of the page: those of visitors lie in Gradio's cache, those of the project stay where they are."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Iterator
from pathlib import Path

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

DOUBLE_SECONDS = 60.0
"""Age from which the double of an upload counts as old: it is written to no more."""


def keep(path: Path) -> str:
    """Copy a file into Gradio's cache, where alone it can be served from, under the checksum of its content."""
    cache = get_upload_folder()
    Path(cache).mkdir(parents=True, exist_ok=True)
    return save_file_to_cache(path, cache_dir=cache)


def is_in_cache(path: str | Path) -> bool:
    """Whether a file lies in Gradio's cache: nothing else can belong to a visitor, and nothing else is deleted."""
    return Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve())


def delete(path: str | Path, until: float = math.inf) -> None:
    """Delete a file of the cache, and the folder named by its checksum when that is empty.

    Args:
        path: Files elsewhere stay.
        until: A file that was written after this time stays: somebody uploaded an equal one, and will soon use it.
            Seconds of the system's clock.
    """
    if not is_in_cache(path):
        return
    with contextlib.suppress(OSError):
        if Path(path).stat().st_ctime <= until:
            Path(path).unlink(missing_ok=True)
    if Path(path).resolve().parent != Path(get_upload_folder()).resolve():
        with contextlib.suppress(OSError):
            Path(path).parent.rmdir()


def old_files(age: float) -> Iterator[str]:
    """Files of the cache that nobody has touched for so many seconds; doubles of uploads are old after a minute."""
    now, folder = time.time(), Path(get_upload_folder())
    # An upload whose equal is there already stays in the folder itself, under a temporary name that nobody knows.
    ages = [(path, min(age, DOUBLE_SECONDS)) for path in folder.glob("*")]
    for path, least in (*ages, *((path, age) for path in folder.glob("*/*"))):
        with contextlib.suppress(OSError):
            if path.is_file() and now - max(path.stat().st_ctime, path.stat().st_mtime) > least:
                yield str(path)


def picture_key(path: str | Path) -> str:
    """Checksum of a picture's content."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
