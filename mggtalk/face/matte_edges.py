"""Soft edges of a matte, brought to what the picture shows: hair without the background between its strands.

A soft pixel mixes the person's colour with the background's, ``I = alpha F + (1 - alpha) B``. Both colours are known
nearby, F where the person is solid and B where there is none, and are carried to the edge with their variance. With
independent errors of these colours and of the network's alpha, whose variance is taken as that of a coin that shows
"person" so often, the most likely alpha is ::

    alpha = (lambda alpha_0 + (I - B).(F - B)) / (lambda + |F - B|^2),
    lambda = (s^2 + var F + var B) / (alpha_0 (1 - alpha_0))

Where person and background look alike, or are themselves of many colours, the network's alpha stays.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mggtalk.nets.maps import dilate, erode, fill, to_float

NOISE = 0.005
"""Variance ``s^2`` of a pixel's colour, all channels together."""


def sharpen_edges(picture: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correct a matte where it is soft.

    Args:
        picture: RGB ``[S, S, 3]``.
        alpha: The matte ``[S, S]`` in [0, 1].

    Returns:
        Alpha ``[S, S]`` in [0, 1]: the same where it is 0 or 1, or where nothing or everything is person.
    """
    colour = to_float(picture)[None]  # [1, 3, S, S]
    matte = torch.from_numpy(alpha)[None, None]  # [1, 1, S, S]
    margin = max(1, alpha.shape[0] // 256)
    grown = dilate(matte, 2 * margin)
    shrunk = erode(matte, margin)
    outside, inside = (1.0 - 10.0 * grown).clamp(0, 1), (20.0 * shrunk - 19.0).clamp(0, 1)
    if float(outside.sum()) < 1.0 or float(inside.sum()) < 1.0:
        return alpha
    moments = torch.cat([colour, colour.square()], dim=1)  # [1, 6, S, S]
    background, background_square = fill(moments, outside).split(3, dim=1)
    person, person_square = fill(moments, inside).split(3, dim=1)
    variance = (person_square - person.square() + background_square - background.square()).clamp(min=0)
    doubt = (matte * (1.0 - matte)).clamp(min=1e-6)
    trust = (NOISE + variance.sum(1, keepdim=True)) / doubt  # lambda, [1, 1, S, S]
    contrast = person - background
    shown = ((colour - background) * contrast).sum(1, keepdim=True)  # [1, 1, S, S]
    likely = (trust * matte + shown) / (trust + contrast.square().sum(1, keepdim=True))
    return torch.where((matte > 0) & (matte < 1), likely.clamp(0, 1), matte)[0, 0].numpy()
