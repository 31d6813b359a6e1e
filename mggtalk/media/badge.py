"""The visible badge that says a picture is AI-made, and the statement that is asked for before it is left out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mggtalk.config import NO_BADGE_STATEMENT as STATEMENT
from mggtalk.errors import OptionError

TEXT = "AI-made"
"""Text of the badge."""

HEIGHT = 0.055
"""Height of the badge over the shorter side of the picture."""

LEAST_HEIGHT = 15
"""Pixels under which the text cannot be read; the badge of a small picture does not get lower."""

MARGIN = 0.35
"""Distance from the corner over the badge's height."""

LEAST_SIDE = 48
"""Pictures with a shorter side have no room for a badge."""

GROUND = (16, 16, 20, 165)
INK = (255, 255, 255, 245)


def check_statement(statement: str | None) -> str | None:
    """Check what a user says to have no badge.

    Args:
        statement: Must say :data:`STATEMENT`; case, spaces and a full stop do not matter. None asks for the badge.

    Returns:
        :data:`STATEMENT`, or None.

    Raises:
        OptionError: If it says something else.
    """
    if statement is None:
        return None
    if " ".join(str(statement).split()).rstrip(".").casefold() != STATEMENT.casefold():
        problem = f"The badge stays: {str(statement)[:80]!r} is not the statement that is asked for."
        raise OptionError(problem, f'To leave it out, say "{STATEMENT}".')
    return STATEMENT


def draw_badge(frame: np.ndarray) -> np.ndarray:
    """Draw the badge into the top right corner.

    Args:
        frame: uint8 ``[H, W, 3]`` RGB, or ``[H, W, 4]`` with straight alpha; it is left as it is. Pictures of under 48
            pixels get none.

    Returns:
        A copy with the badge, of the same shape.
    """
    marked = frame.copy()  # [H, W, 3]
    height, width = frame.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return marked
    ink, keep = _badge(max(LEAST_HEIGHT, round(HEIGHT * min(height, width))))
    rows, columns = keep.shape[:2]
    margin = round(MARGIN * rows)
    left = max(0, width - margin - columns)
    place = marked[margin : margin + rows, left : width - margin]  # [h, w, 3 or 4]
    ink, keep = ink[:, : place.shape[1]], keep[:, : place.shape[1]]
    if place.shape[2] == 3:
        place[:] = (ink + place * keep + 0.5).astype(np.uint8)
        return marked
    behind = place[..., 3:] / 255.0 * keep  # [h, w, 1] share of the picture
    alpha = 1.0 - keep + behind
    place[..., :3] = ((ink + place[..., :3] * behind) / np.maximum(alpha, 1e-3) + 0.5).clip(0, 255).astype(np.uint8)
    place[..., 3:] = (255.0 * alpha + 0.5).astype(np.uint8)
    return marked


@lru_cache(maxsize=8)
def _badge(height: int) -> tuple[np.ndarray, np.ndarray]:
    """The badge at one height: premultiplied colours ``[h, w, 3]`` and the share of the picture ``[h, w, 1]``."""
    fine = 4  # drawn larger and averaged down, for smooth edges
    font = ImageFont.load_default(size=0.72 * fine * height)
    left, top, right, bottom = font.getbbox(TEXT)
    width = round((right - left) / fine + 0.9 * height)
    picture = Image.new("RGBA", (fine * width, fine * height), (*GROUND[:3], 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, fine * width - 1, fine * height - 1), radius=0.3 * fine * height, fill=GROUND)
    middle = (0.5 * (fine * width - left - right), 0.5 * (fine * height - top - bottom))
    draw.text(middle, TEXT, font=font, fill=INK)
    small = np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)  # [h, w, 4]
    alpha = small[..., 3:] / 255.0  # [h, w, 1]
    return small[..., :3] * alpha, 1.0 - alpha
