"""A person set free from the portrait's background: before a colour, a picture or nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.animate.coverage import PersonCoverage
from mggtalk.media.backdrop import Backdrop
from mggtalk.nets.maps import fill, to_bytes, to_float

LEAST, SURE = 0.1, 0.7
"""Alpha from which on a straight colour counts, and from which on it is not mixed with its neighbours'."""


def place_before(animator: Animator, backdrop: Backdrop) -> Animator:
    """Return an animator that draws the same person before another background.

    Args:
        animator: Of the person, before the portrait's own background.
        backdrop: Without colour and picture, frames are uint8 ``[size, size, 4]``: premultiplied RGB and alpha.
    """
    background = to_float(backdrop.square(animator.fine))  # [3, fine, fine]
    if not backdrop.transparent:
        return animator.before(background)
    source, ratio = animator.avatar.source, animator.focal_ratio
    coverage = PersonCoverage(animator.plates, source, ratio, animator.oversampling)
    return animator.before(background, coverage)


@torch.inference_mode()
def straighten_frame(frame: np.ndarray) -> np.ndarray:
    """Turn a premultiplied frame, uint8 ``[S, S, 4]``, into a straight one, see :func:`straighten`."""
    picture = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255.0  # [1, 4, S, S]
    return to_bytes(straighten(picture)[0]).numpy()  # [S, S, 4]


def straighten(frame: Tensor) -> Tensor:
    """Turn premultiplied colours into straight ones, and let them run on where there is no person.

    A player mixes ``A C + (1 - A) B`` over its own background B, and codecs blur C across the edge: both need, beside
    the person and at a soft edge, the colour of the person there, not black and not the old background.

    Args:
        frame: ``[B, 4, S, S]`` premultiplied RGB and alpha in [0, 1].

    Returns:
        ``[B, 4, S, S]`` straight RGB and the same alpha.
    """
    alpha = frame[:, 3:]  # [B, 1, S, S]
    known = ((alpha - LEAST) / (SURE - LEAST)).clamp(0.0, 1.0)  # what is nearly clear is mostly rounding
    colour = (frame[:, :3] / alpha.clamp(min=LEAST)).clamp(0.0, 1.0)  # [B, 3, S, S]
    if float(known.sum()) > 0.0:
        colour = fill(colour, known).clamp(0.0, 1.0)  # [B, 3, S, S]
    return torch.cat([colour, alpha], dim=1)
