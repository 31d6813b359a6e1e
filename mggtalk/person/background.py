"""Background behind the person, from many frames of a clip whose camera does not move."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.inpaint.fill_background import fill_background
from mggtalk.inpaint.plates import find_hole
from mggtalk.nets.maps import dilate, erode, to_bytes, to_float
from mggtalk.person.footage import SIDE, Candidate, Footage
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE

LOOKS = 12
"""Frames that are looked at."""

GROWTH = 6
"""Pixels around the person that are not trusted to be background."""

STEADY = 0.04
"""Median difference of seen background between frames, over white, up to which the camera counts as still."""

LEAST_GAIN = 0.003
"""Share of the picture that must be seen anew, to be worth keeping."""

SURE = 0.99
"""Share of other frames in a pixel from which on it counts as seen."""

LEAST_TIMES = 2
"""Frames in which a pixel must be seen free of the person."""


def see_background(pipe: MGGTalkPipeline, footage: Footage, portrait: Candidate, own: Tensor) -> np.ndarray | None:
    """The portrait's background, with the median of other frames where those see what the portrait's person hides.

    What no frame shows is filled from there.

    Args:
        pipe: Tells the person from the background.
        footage: Frames to look at.
        portrait: The frame that the avatar is made of.
        own: ``[3, PORTRAIT_SIZE, PORTRAIT_SIZE]`` in [0, 1], the plate that was made of the portrait alone.

    Returns:
        uint8 ``[PORTRAIT_SIZE, PORTRAIT_SIZE, 3]``; None where the camera moves, or nothing more is seen.
    """
    chosen = np.linspace(0, len(footage) - 1, min(LOOKS, len(footage))).round().astype(int)
    frames = to_float(footage.frames[chosen])  # [L, 3, S, S]
    free = torch.stack([_free(pipe, footage.frames[i], footage.landmarks[i]) for i in chosen])  # [L, 1, S, S]
    values = torch.where(free, frames, torch.nan)
    middle = values.nanmedian(0).values  # [3, S, S]
    times = free.sum(0)  # [1, S, S]
    spread = (values - middle).abs().nanmedian(0).values.amax(0)[times[0] > len(chosen) // 3]
    if not len(spread) or float(spread.median()) > STEADY:
        return None
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    seen = F.interpolate((times >= LEAST_TIMES).float()[None], size=size, mode="bilinear")  # [1, 1, P, P]
    hidden = 1.0 - _free(pipe, *portrait).float()[None]  # [1, 1, P, P]
    # What the portrait shows itself it shows best; soft borders, inside what is seen.
    new = erode(seen.floor(), 2) * dilate(hidden, 2)
    new = F.avg_pool2d(new, 5, stride=1, padding=2)[0]  # [1, P, P]
    if float(new.mean()) < LEAST_GAIN:
        return None
    values = F.interpolate(torch.nan_to_num(middle)[None], size=size, mode="bilinear")[0]
    blended = own + new * (values - own)
    # What nobody saw goes on from what is seen now, not from what the portrait shows alone.
    unseen = find_hole(torch.from_numpy(pipe.person_matte(*portrait))) & (new[0] < SURE)  # [P, P]
    return to_bytes(fill_background(blended, unseen.numpy())).numpy()


def _free(pipe: MGGTalkPipeline, frame: np.ndarray, landmarks: np.ndarray) -> Tensor:
    """Find where a frame ``[S, S, 3]`` surely shows background, bool ``[1, S, S]``; landmarks in its pixels."""
    person = torch.from_numpy(np.asarray(pipe.person_matte(frame, landmarks))).float()[None, None]  # [1, 1, S, S]
    grown = GROWTH * person.shape[-1] // SIDE
    return dilate(person, grown)[0] < 0.05
