"""The first check of any training: can it learn one clip by heart?"""

from __future__ import annotations

import math

import numpy as np

from mggtalk.face.regions import face_mask
from mggtalk.motion.retarget import retarget
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.data.augment import resize_picture
from mggtalk.training.data.corpus import Clip


def face_psnr(pipe: MGGTalkPipeline, clip: Clip, side: int = 256, every: int = 4) -> float:
    """PSNR of the face hull over a clip that is driven by itself.

    Args:
        pipe: With the networks to look at.
        clip: Of a corpus; its first source is the portrait.
        side: Of the compared pictures, pixels.
        every: Stride over its frames.

    Returns:
        Decibels of the mean squared error over all pixels of all frames.
    """
    avatar = clip.avatar(clip.sources[0])
    motion = retarget(clip.motion, avatar, "absolute", pipe.face_model)
    animator = pipe.animator(avatar, side)
    assert clip.motion.landmarks is not None
    landmarks = clip.motion.landmarks.numpy() * (side / clip.side)  # [T, V, 3]
    errors = []
    for index in range(0, len(clip), every):
        real = resize_picture(clip.frame(index), side).permute(1, 2, 0).numpy() * 255.0  # [side, side, 3]
        hull = face_mask(landmarks[index], side, side)
        errors.append(((animator.frame(motion[index]) - real)[hull] ** 2).reshape(-1))
    return 10.0 * math.log10(255.0**2 / float(np.concatenate(errors).mean()))
