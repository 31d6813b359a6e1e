"""Contact sheets: the moments of a clip that are worth a look, all methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TITLE = 18
"""Height of a line of text, pixels."""


class Moment(NamedTuple):
    """One frame of a clip."""

    caption: str  # which, and why it is shown
    driving: np.ndarray  # the real frame, uint8 [S, S, 3]
    made: dict[str, np.ndarray]  # method -> its frame


def contact_sheet(source: np.ndarray, moments: Sequence[Moment]) -> np.ndarray:
    """A row per moment: source, driving frame, and the frame of each method.

    Args:
        source: The portrait, uint8 ``[S, S, 3]``.
        moments: All with the same methods.

    Returns:
        uint8 ``[rows * (S + 2 * TITLE), columns * S, 3]``; above each row stand its caption and the columns' names.
    """
    size = len(source)
    columns = 2 + len(moments[0].made)
    sheet = Image.new("RGB", (columns * size, len(moments) * (size + 2 * TITLE)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TITLE - 5)
    for row, moment in enumerate(moments):
        top = row * (size + 2 * TITLE)
        draw.text((3, top + 1), moment.caption, fill="black", font=font)
        pictures = {"source": source, "driving": moment.driving} | moment.made
        for column, (name, picture) in enumerate(pictures.items()):
            draw.text((column * size + 3, top + TITLE + 1), name, fill="black", font=font)
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (column * size, top + 2 * TITLE))
    return np.asarray(sheet)


def save_sheet(source: np.ndarray, moments: Sequence[Moment], path: str | Path) -> None:
    """Write :func:`contact_sheet` as PNG; missing folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(source, moments)).save(path)
