"""Safetensors files that a user names: whether they are whole, told without torch."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from mggtalk.errors import MediaError
from mggtalk.media.files import PathLike, article, check_readable


def check_tensor_file(path: PathLike, kind: str) -> Path:
    """Check that a path names a whole safetensors file; what is in it is for those who load it.

    Args:
        path: What the user named.
        kind: What it should be, for the message: ``"avatar"``, ``"voice"``.

    Raises:
        MediaError: If it is missing, cut off or something else.
    """
    file = check_readable(path, kind)
    try:
        with safe_open(str(file), framework="np"):
            return file
    except (OSError, SafetensorError) as error:
        brief = (str(error).splitlines() or [type(error).__name__])[0][:120]
        problem = f"{str(file)!r} cannot be read as {article(kind)} ({brief})."
        raise MediaError(problem, "Give another file, or make it again.") from error
