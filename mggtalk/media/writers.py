"""One door to all kinds of films: the ending of a path says which one is written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from mggtalk.errors import OptionError
from mggtalk.media.containers import CONTAINERS
from mggtalk.media.files import PathLike, check_writable
from mggtalk.media.picture_writer import PICTURE_SUFFIXES, PictureWriter
from mggtalk.media.sound import Sound
from mggtalk.media.writer import VIDEO_SUFFIXES, VideoWriter

FILM_SUFFIXES = (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES)
"""Endings that are written: MP4, WebM and MOV with sound; GIF, WebP and numbered PNG files without."""

CLEAR_SUFFIXES = tuple(
    suffix for suffix in FILM_SUFFIXES if suffix not in CONTAINERS or CONTAINERS[suffix].clear_layout
)
"""Those that hold transparency."""

MOST_PIXELS = 4e8
"""Pixels of all frames of a GIF or WebP together: these are coded at once, from memory."""


def check_film(path: PathLike, transparent: bool = False) -> Path:
    """Check that a film can be written there.

    Args:
        path: The file.
        transparent: Whether it has to hold transparency.

    Raises:
        MediaError: If it cannot be written.
        OptionError: If its kind holds no transparency.
    """
    return check_clear(check_writable(path, FILM_SUFFIXES), transparent)


def check_clear(file: Path, transparent: bool = True) -> Path:
    """Check that a kind of file holds transparency, if that is wanted.

    Raises:
        OptionError: If it does not.
    """
    if transparent and file.suffix.lower() not in CLEAR_SUFFIXES:
        problem = f"The output {str(file)!r} cannot be transparent: {file.suffix} files have no alpha."
        raise OptionError(problem, f"Use {', '.join(CLEAR_SUFFIXES[:-1])} or {CLEAR_SUFFIXES[-1]}, or give a colour.")
    return file


def check_length(path: PathLike, frames: int, width: int, height: int) -> None:
    """Refuse a GIF or WebP that would need too much memory.

    Raises:
        OptionError: If it is too long.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".gif", ".webp") and frames * width * height > MOST_PIXELS:
        problem = f"{frames} frames of {width} x {height} pixels are too many for one {suffix} file."
        raise OptionError(problem, f"Give {int(MOST_PIXELS / (width * height))} or fewer, a smaller size, or .webm.")


def open_writer(
    path: PathLike,
    width: int,
    height: int,
    fps: float | Fraction,
    sound: PathLike | Sound | None = None,
    no_badge: str | None = None,
    transparent: bool = False,
) -> VideoWriter | PictureWriter:
    """Open the writer of a film, see :class:`VideoWriter` and :class:`PictureWriter`.

    Args:
        path: Its ending says which kind is written.
        width: Of the frames, pixels.
        height: Of the frames, pixels.
        fps: Frames per second.
        sound: Is heard where the kind has sound.
        no_badge: A statement that leaves the visible badge out.
        transparent: Whether frames have a fourth channel, straight alpha.

    Raises:
        MediaError: If it cannot be written.
        OptionError: If the statement is another one, or the kind holds no transparency.
    """
    file = check_film(path, transparent)
    if file.suffix.lower() in PICTURE_SUFFIXES:
        return PictureWriter(file, width, height, float(fps), no_badge, transparent)
    return VideoWriter(file, width, height, fps, sound, no_badge=no_badge, transparent=transparent)


def film_notes(path: PathLike, sound: object = None) -> tuple[str, ...]:
    """What of a film its kind could not hold, in words."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        return ()
    kind = "Numbered PNG files hold" if suffix == ".png" else f"A {suffix[1:].upper()} holds"
    return () if sound is None else (f"{kind} no sound.",)
