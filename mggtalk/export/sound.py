"""The sound of an exported head."""

from __future__ import annotations

from mggtalk.errors import MediaError
from mggtalk.media.ffmpeg import input_arguments, last_line, run
from mggtalk.media.files import PathLike, check_readable

TYPE = "audio/mpeg"


def encode_sound(path: PathLike, seconds: float) -> bytes:
    """The sound of a recording or a video as MP3, which every browser plays.

    Args:
        path: The file.
        seconds: Length to keep.

    Raises:
        MediaError: If it has no sound that can be read.
    """
    file = check_readable(path, "recording")
    options = ["-vn", "-ac", "1", "-ar", "24000", "-b:a", "48k", "-t", f"{seconds:.3f}", "-f", "mp3", "pipe:1"]
    status, data, log = run([*input_arguments(file), *options])
    if status != 0 or not data:
        raise MediaError(f"The sound of {str(file)!r} cannot be read: {last_line(log)}.", "Give a recording.")
    return data
