"""What stands behind the person instead of the portrait's own background."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mggtalk.config import MediaConfig
from mggtalk.errors import OptionError
from mggtalk.media.files import check_readable
from mggtalk.media.image import check_image, load_image

NONE = "none"
"""Word for no background at all."""

COLOUR = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})", re.IGNORECASE)


@dataclass(frozen=True)
class Backdrop:
    """A background; without colour and picture there is none, and the person stands free."""

    colour: tuple[int, int, int] | None = None
    picture: np.ndarray | None = None  # uint8 [H, W, 3]

    @property
    def transparent(self) -> bool:
        """Whether there is nothing behind the person."""
        return self.colour is None and self.picture is None

    def square(self, size: int) -> np.ndarray:
        """The background of a square frame, uint8 ``[size, size, 3]``: a picture fills it, and is cut to it."""
        if self.picture is not None:
            return np.asarray(ImageOps.fit(Image.fromarray(self.picture), (size, size), Image.Resampling.LANCZOS))
        return np.full((size, size, 3), self.colour or (0, 0, 0), np.uint8)


def check_backdrop(text: str) -> None:
    """Look at what a user wants behind the person, without reading a picture.

    Args:
        text: ``none``, a colour ``#rrggbb``, or the name of a picture.

    Raises:
        OptionError: If it is neither.
        MediaError: If it is a file that is no picture.
    """
    if text == NONE or COLOUR.fullmatch(text):
        return
    if text.startswith("#") or not (Path(text).suffix or Path(text).exists()):
        problem = f"The background {text!r} is no colour and no file."
        raise OptionError(problem, "Give none, a colour as #rrggbb, or the name of a picture.")
    check_readable(text, "background picture file")
    check_image(text)


def read_backdrop(wanted: str | Path | Image.Image | np.ndarray, config: MediaConfig | None = None) -> Backdrop:
    """Read what a user wants behind the person.

    Args:
        wanted: ``"none"``, ``"#rrggbb"``, a picture's file, or a picture.
        config: Limits of what is read.

    Raises:
        OptionError: If it is neither.
        MediaError: If the picture cannot be read.
    """
    if isinstance(wanted, str):
        check_backdrop(wanted)
        if wanted == NONE:
            return Backdrop()
        if COLOUR.fullmatch(wanted):
            digits = wanted[1:] if len(wanted) == 7 else "".join(2 * digit for digit in wanted[1:])
            red, green, blue = bytes.fromhex(digits)
            return Backdrop((red, green, blue))
    return Backdrop(picture=load_image(wanted, config))
