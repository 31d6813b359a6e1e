"""Kinds of stills that are read, and how a file is told to be one."""

from __future__ import annotations

import struct
import warnings
import zlib
from functools import cache
from pathlib import Path

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
"""Formats that are opened. A multi-picture JPEG (MPO, of phones) is a JPEG; GIFs and TIFFs give their first picture."""

NAMES = "JPEG, PNG, WebP, HEIC, AVIF, BMP, TIFF or GIF"
"""The same for messages."""

MOVING = ("GIF", "PNG", "WEBP", "AVIF")
"""Those that can be films."""

HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
"""Brands in the first bytes of what phones write."""

BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error, zlib.error)
"""Exceptions that Pillow's decoders raise on damaged files."""

BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""Exceptions that Pillow raises on a header that promises too many pixels."""


@cache
def add_heif() -> bool:
    """Teach Pillow to read HEIC; False where the package pillow-heif is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


def open_still(path: Path) -> Image.Image:
    """Open a picture without decoding it.

    Raises:
        PIL.UnidentifiedImageError: If it is of another kind.
        PIL.Image.DecompressionBombError: If it has far too many pixels; a warning of the same name as well.
        OSError: If it is damaged; or another of :data:`BROKEN`.
    """
    add_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path, formats=FORMATS)


def is_still(path: Path) -> bool:
    """Whether a file is a picture that does not move, by its header."""
    try:
        with open_still(path) as picture:
            return not (picture.format in MOVING and getattr(picture, "is_animated", False))
    except BOMB:
        return True
    except BROKEN:
        return False


def kind_of(head: bytes) -> str | None:
    """Tell a file without a picture by its first 16 bytes: ``video``, ``recording``, or None if it is unknown."""
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4] == b"RIFF" and head[8:11] == b"AVI"):
        return "video"
    if head[:3] == b"ID3" or head[:4] in (b"fLaC", b"OggS", b"caff") or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return "recording"
    return None
