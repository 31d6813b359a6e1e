"""Marks on every picture that is shown or written: the visible badge and the invisible watermark."""

from __future__ import annotations

import numpy as np

from mggtalk.media.badge import draw_badge


def mark_frame(frame: np.ndarray, badge: bool = True, watermark: bool = True) -> np.ndarray:
    """Mark a frame. Writers of this package do it themselves; only pictures that are shown directly need it.

    Args:
        frame: uint8 ``[H, W, 3]`` RGB; it is left as it is.
        badge: Whether to draw the visible badge. See :func:`~mggtalk.media.badge.check_statement`.
        watermark: Whether to put in the invisible watermark.

    Returns:
        uint8 ``[H, W, 3]``; the frame itself if there is nothing to do.
    """
    if badge:
        frame = draw_badge(frame)
    if not watermark:
        return frame
    from mggtalk.media.watermark import embed  # numba: refusals of the command line need not wait for it

    return embed(frame)
