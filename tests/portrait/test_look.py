"""What is kept of a photo beside the square that the avatar is made of."""

from __future__ import annotations

import numpy as np

from mggtalk.face.crop import SquareCrop
from mggtalk.portrait.look import FINE_SIZE, PORTRAIT_SIZE, cut_fine


def test_more_pixels_are_kept_where_a_photo_has_them() -> None:
    photo = np.zeros((3000, 2000, 3), np.uint8)
    assert cut_fine(photo, SquareCrop(0.0, 0.0, float(PORTRAIT_SIZE)), FINE_SIZE) is None
    for side, kept in ((701.0, 700), (1999.0, FINE_SIZE)):
        fine = cut_fine(photo, SquareCrop(0.5, 7.0, side), FINE_SIZE)
        assert fine is not None and fine.shape == (kept, kept, 3)
