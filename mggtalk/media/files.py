"""Checks of the paths that a user names, made before any work is done on them."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.runtime.files import temporary_beside

PathLike = str | os.PathLike[str]


def article(noun: str) -> str:
    """``a`` or ``an`` before a noun."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def tell_excess(value: float) -> str:
    """A value that is over a limit, rounded up to a tenth, so that it never reads like the limit itself."""
    return f"{math.ceil(round(value * 10, 6)) / 10:.1f}"


def check_readable(path: PathLike, kind: str, most_megabytes: float = math.inf) -> Path:
    """Check that a path names an ordinary file with something in it.

    Args:
        path: What the user named.
        kind: What it should be, for the message: ``"image"``, ``"video"``, ``"recording"``.
        most_megabytes: Largest size that is taken, in 10^6 bytes.

    Returns:
        The path.

    Raises:
        MediaError: If it is missing, empty, a folder or a device, or may not be read.
        MediaTooLongError: If it is too large.
    """
    advice = f"Check the name and give {article(kind if kind.endswith('file') else f'{kind} file')}."
    if not isinstance(path, str | os.PathLike):
        raise MediaError(f"The {kind} is {article(type(path).__name__)}, not a path.", advice)
    file = Path(path)
    try:
        status = file.stat()
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {str(file)!r}.", advice) from error
    except (OSError, ValueError) as error:
        raise MediaError(f"The {kind} {str(file)!r} cannot be read: {_reason(error)}.", advice) from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"The {kind} {str(file)!r} is a folder.", advice)
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"The {kind} {str(file)!r} is not an ordinary file.", advice)
    if status.st_size == 0:
        raise MediaError(f"The {kind} {str(file)!r} is empty (0 bytes).", "Copy or record it again.")
    if not os.access(file, os.R_OK):
        raise MediaError(f"The {kind} {str(file)!r} may not be read.", "Change its permissions.")
    if status.st_size > most_megabytes * 1e6:
        problem = f"The {kind} {str(file)!r} has {tell_excess(status.st_size / 1e6)} MB."
        raise MediaTooLongError(problem, f"Give one of {most_megabytes:g} MB or less.")
    return file


def check_writable(path: PathLike, suffixes: Sequence[str]) -> Path:
    """Check that a file can be written, by making and removing another one beside it.

    Args:
        path: The file to be written; it may exist and is left as it is.
        suffixes: Endings that are allowed, lower case with the dot: ``(".mp4",)``.

    Returns:
        The path.

    Raises:
        MediaError: If its folder is missing or cannot be written to, it is a folder itself, or its ending is another.
    """
    if not isinstance(path, str | os.PathLike):
        raise MediaError(f"The output is {article(type(path).__name__)}, not a path.", "Give a file name.")
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        ending = f"ends in {file.suffix!r}" if file.suffix else "has no ending"
        raise MediaError(f"The output {str(file)!r} {ending}.", f"Use {' or '.join(suffixes)}.")
    probe = temporary_beside(file, ".tmp")
    try:
        if "\0" in str(file):
            raise MediaError(f"The output {str(file)!r} holds a null character.", "Choose another name.")
        if file.is_dir():
            raise MediaError(f"The output {str(file)!r} is a folder.", "Name a file in it.")
        if not file.parent.is_dir():
            raise MediaError(f"There is no folder {str(file.parent)!r}.", "Make it, or write somewhere else.")
        if file.exists() and not os.access(file, os.W_OK):
            raise MediaError(f"The output {str(file)!r} is write-protected.", "Choose another name.")
        probe.touch(exist_ok=False)
        probe.unlink()
    except MediaError:
        raise
    except (OSError, ValueError) as error:
        problem = f"The output {str(file)!r} cannot be written: {_reason(error)}."
        raise MediaError(problem, "Write to another folder.") from error
    return file


def _reason(error: Exception) -> str:
    """The operating system's words without its numbers and names."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")
