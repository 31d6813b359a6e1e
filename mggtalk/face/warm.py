"""Compiles the kernels of tracking ahead of their first use."""

from __future__ import annotations

import numpy as np

from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import fit_track
from mggtalk.face.roi import Roi, resample
from mggtalk.scene import FaceTrack

SIDE = 64
"""Of the picture that is looked at."""


def warm_up_tracking(model: FaceModel) -> None:
    """Compile, or load from numba's cache, what looks at pictures and fits poses. Safe to call in its own thread.

    Args:
        model: Its mean face is fitted.
    """
    resample(np.zeros((SIDE, SIDE, 3), np.uint8), Roi(SIDE / 2, SIDE / 2, SIDE / 2, 0.0), SIDE // 4)
    face = model.mean.cpu().numpy() * (1.0, -1.0, -1.0) * (SIDE / 4) + (SIDE / 2, SIDE / 2, 0.0)  # [V, 3] pixels
    scores = np.zeros((1, len(NAMES)), np.float32)
    track = FaceTrack(face[None].astype(np.float32), scores, np.ones(1, bool), 25.0, SIDE, SIDE)
    fit_track(model, track, focal_ratio=2.5)
