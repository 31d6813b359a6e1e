"""Who in a photo is driven by what, and from when on: ``0=a.mp4``, ``2=speech.wav@1.5``, ``1=listener:speech.wav``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mggtalk.errors import OptionError
from mggtalk.media import check_readable, check_speech, open_video
from mggtalk.media.image import check_image
from mggtalk.media.probe import probe
from mggtalk.media.sound import level_of, read_sound
from mggtalk.media.stills import is_still

MOTION_SUFFIXES = (".npz", ".safetensors", ".csv")

LISTENER = "listener:"
"""Stands before a recording that somebody hears."""

LATEST = 600.0
"""Seconds by which everybody has to have begun."""


class Part(NamedTuple):
    """Part of one person."""

    face: int | None  # from left to right; None: the only one
    file: str  # a video, a recording or a motion file
    start: float = 0.0  # seconds
    listens: bool = False  # to the recording, instead of speaking it

    @property
    def kind(self) -> str:
        """``motion``, ``video`` or ``speech``, by the name and what is in the file."""
        if self.listens:
            return "speech"
        if Path(self.file).suffix.lower() in MOTION_SUFFIXES:
            return "motion"
        file = check_readable(self.file, "driver's file")
        return "video" if is_still(file) or probe(file).has_video else "speech"


def read_part(text: str) -> Part:
    """Read ``FACE=FILE`` or ``FACE=FILE@SECONDS``; the file of somebody who listens stands behind ``listener:``.

    Raises:
        OptionError: If it is something else.
    """
    number, equals, file = text.partition("=")
    if not equals or not number.strip().isdigit() or not file:
        missing = "file" if equals and not file else "face"
        advice = "Write FACE=FILE, as in 0=a.mp4 or 2=speech.wav@1.5."
        raise OptionError(f"The driver {text!r} has no {missing}.", advice)
    listens = file.startswith(LISTENER) and not Path(file).exists()
    file = file.removeprefix(LISTENER) if listens else file
    name, _, start = file.rpartition("@")
    seconds = 0.0
    if name and not Path(file).exists():
        try:
            seconds, file = float(start), name
        except ValueError:
            file = f"{name}@{start}"
    if not 0 <= seconds <= LATEST:
        raise OptionError(f"{name!r} starts at {start} s.", f"Choose 0 to {LATEST:g}.")
    return Part(int(number), str(Path(file).expanduser()), seconds, listens)


def read_parts(texts: Sequence[str]) -> tuple[Part, ...]:
    """Read several, see :func:`read_part`.

    Raises:
        OptionError: If a face is driven twice.
    """
    parts = tuple(read_part(text) for text in texts)
    for index, part in enumerate(parts):
        if any(part.face == other.face for other in parts[:index]):
            raise OptionError(f"Face {part.face} is driven twice.", "Give each face one driver.")
    return parts


def check_part(part: Part) -> None:
    """Open the file of a part, so that a bad one is told before any work.

    Raises:
        MediaError: If it cannot be read, or speech is silent.
        MotionFileError: If a motion file is none.
    """
    from mggtalk.motion.motion_arrays import read_motion_arrays

    if part.kind == "video" and is_still(Path(part.file)):
        check_image(part.file)
    elif part.kind == "video":
        open_video(part.file).close()
    elif part.kind == "speech":
        check_speech(level_of(read_sound(part.file), 16000))
    elif Path(part.file).suffix.lower() == ".csv":
        check_readable(part.file, "motion file")
    else:
        read_motion_arrays(part.file)
