"""A moving disc instead of a face: a tracker that finds it and ways to reenact it, which can be followed by hand."""

import numpy as np
import torch

from mggtalk.errors import NoFaceError
from mggtalk.evaluation.frames import resize_picture
from mggtalk.scene import Motion

RADIUS = 0.18  # of the disc, over the side of the picture


def disc(x, y, size):
    """A bright disc centred at a fraction of the picture's side, on a dark ground with a faint grid."""
    axis = (np.arange(size) + 0.5) / size
    inside = (axis[None] - x) ** 2 + (axis[:, None] - y) ** 2 < RADIUS**2  # [size, size]
    ground = 30 + 10 * ((axis[None] * 8).astype(int) % 2)
    return np.repeat(np.where(inside, 220, ground)[..., None], 3, axis=-1).astype(np.uint8)


def place(index):
    return 0.4 + 0.015 * index, 0.5


class DiscPipe:
    """Finds a bright disc, and draws it where the motion says."""

    def __init__(self):
        generator = np.random.default_rng(0)
        angle, radius = generator.uniform(0, 2 * np.pi, 478), RADIUS * np.sqrt(generator.uniform(0, 1, 478))
        self.template = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=-1)  # [478, 3]

    def prepare(self, portrait, crop):
        assert crop == "none" and portrait.shape[0] == portrait.shape[1]
        return portrait

    def track_frames(self, frames, fps):
        centres, side = [], 1
        for frame in frames:
            bright = np.argwhere(frame.mean(-1) > 128)
            side = frame.shape[0]
            if len(bright):
                centres.append((bright.mean(0)[::-1] + 0.5) / side)
        if not centres:
            raise NoFaceError("No disc is to be seen.", "Use another video.")
        centre = np.pad(np.array(centres), ((0, 0), (0, 1)))  # [T, 3]
        translation = torch.tensor(centre, dtype=torch.float32)
        return Motion(
            expression=translation[:, :2],
            rotation=torch.eye(3).expand(len(centre), 3, 3),
            translation=translation,
            fps=fps,
            face_model="disc",
            focal_ratio=1.0,
            landmarks=torch.tensor((centre[:, None] + self.template) * side, dtype=torch.float32),
        )

    def person_matte(self, frame, landmarks):
        return (frame.mean(-1) > 128).astype(np.float32)

    def animate(self, avatar, motion, size, pose):
        assert pose == "absolute"
        for frame in motion:
            yield disc(float(frame.translation[0]), float(frame.translation[1]), size)


class StillPipe(DiscPipe):
    """Shows the portrait, whatever the motion is."""

    def animate(self, avatar, motion, size, pose):
        for _ in motion:
            yield resize_picture(avatar, size)


class TiredPipe(DiscPipe):
    """Follows the motion for five frames, then shows the portrait."""

    def animate(self, avatar, motion, size, pose):
        for index, frame in enumerate(super().animate(avatar, motion, size, pose)):
            yield frame if index < 5 else resize_picture(avatar, size)


class BlackPipe(DiscPipe):
    """Shows nothing."""

    def animate(self, avatar, motion, size, pose):
        for _ in motion:
            yield np.zeros((size, size, 3), np.uint8)
