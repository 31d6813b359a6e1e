"""Marks on every picture that is shown or written: the visible badge and the invisible watermark."""

from __future__ import annotations

import numpy as np

from mggtalk.errors import MediaError
from mggtalk.media.badge import draw_badge


def check_frame(frame: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    """Refuse a frame that a writer cannot take.

    Args:
        frame: To be written.
        shape: That it has to have.
        what: The writer makes, for the message.

    Raises:
        MediaError: If it has another type or size.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape != shape:
        found, dtype = list(np.shape(frame)), getattr(frame, "dtype", type(frame).__name__)
        raise MediaError(f"A frame is {dtype} {found}.", f"This {what} takes uint8 {list(shape)}.")


def mark_frame(frame: np.ndarray, badge: bool = True, watermark: bool = True) -> np.ndarray:
    """Mark a frame. Writers of this package do it themselves; only pictures that are shown directly need it.

    Args:
        frame: uint8 ``[H, W, 3]`` RGB, or ``[H, W, 4]`` with straight alpha; it is left as it is. The watermark goes
            into all colours, those that cannot be seen as well.
        badge: Whether to draw the visible badge. See :func:`~mggtalk.media.badge.check_statement`.
        watermark: Whether to put in the invisible watermark.

    Returns:
        uint8 of the same shape; the frame itself if there is nothing to do.
    """
    if badge:
        frame = draw_badge(frame)
    if not watermark:
        return frame
    from mggtalk.media.watermark import embed  # numba: refusals of the command line need not wait for it

    if frame.shape[2] == 3:
        return embed(frame)
    return np.concatenate([embed(frame[..., :3]), frame[..., 3:]], axis=2)  # [H, W, 4]


def lay_over(frame: np.ndarray, colour: int = 255) -> np.ndarray:
    """Lay a frame with straight alpha, uint8 ``[H, W, 4]``, over a grey: uint8 ``[H, W, 3]``; others stay as given."""
    if frame.shape[2] == 3:
        return frame
    alpha = frame[..., 3:] / np.float32(255.0)  # [H, W, 1]
    return (frame[..., :3] * alpha + colour * (1.0 - alpha) + np.float32(0.5)).astype(np.uint8)
