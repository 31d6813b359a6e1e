"""One training step's data: a source and windows of its targets. A function of the step alone, so runs can resume."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.regions import hull_mask, mouth_mask
from mggtalk.face.topology import (
    FACE_OVAL,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from mggtalk.training.config import LossConfig, TrainConfig, WindowConfig
from mggtalk.training.data.augment import ColourJitter, resize_picture
from mggtalk.training.data.corpus import Clip
from mggtalk.training.data.pairs import DrivingMotions, PairSampler
from mggtalk.training.head.learner import Target

EYES = ((*LEFT_EYE_UPPER, *LEFT_EYE_LOWER), (*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER))
"""Rims of both eyes."""


class Sample(NamedTuple):
    """A source and K targets of the same person."""

    avatar: Avatar
    targets: list[Target]
    background: Tensor  # [3] colour behind the head
    name: str  # of the clip
    number: int  # of the draw


class Samples:
    """Draws a sample for each step.

    Args:
        clips: Of the corpus.
        face_model: The landmark 3DMM.
        config: Of the training.
        plates: Whether what stands behind the head is needed as well.

    Raises:
        OptionError: If there are no clips.
    """

    def __init__(self, clips: list[Clip], face_model: FaceModel, config: TrainConfig, plates: bool = False) -> None:
        if not clips:
            raise OptionError("There are no clips to train on.", "Give a corpus with clips.")
        self.clips = clips
        self.config = config
        self.plates = plates
        self.motions = DrivingMotions(face_model)

    def draw(self, index: int) -> Sample:
        """The sample of one index, always the same.

        Args:
            index: Step times the number of processes, plus the process.
        """
        config = self.config
        generator = torch.Generator().manual_seed(hash((config.seed, index)) % 2**62)
        clip = self.clips[_integer(len(self.clips), generator)]
        source = clip.sources[_integer(len(clip.sources), generator)]
        avatar = clip.avatar(source)
        motion = self.motions.motion(clip, source, avatar)
        frames = PairSampler(clip, source, generator, config.pairs).draw(config.targets, index / config.steps)
        jitter = ColourJitter.draw(generator, config.colour)
        targets = []
        for frame in frames:
            image = resize_picture(clip.frame(frame), config.picture)  # [3, P, P]
            head = resize_picture(clip.head(frame), config.picture)  # [1, P, P]
            landmarks = _landmarks(clip, frame, config.picture)  # [V, 2]
            weight = pixel_weights(landmarks, config.picture, config.loss)  # [1, P, P]
            left, top, side = window(landmarks, config.picture, config.window, generator)
            pieces = [layer[:, top : top + side, left : left + side] for layer in (jitter.of(image, 0), head, weight)]
            targets.append(Target(motion[frame], (left, top), *pieces))
        background = torch.rand(3, generator=generator)
        return Sample(jitter.of_avatar(avatar, plates=self.plates), targets, background, clip.name, index)


def window(landmarks: Tensor, picture: int, config: WindowConfig, generator: torch.Generator) -> tuple[int, int, int]:
    """Left edge, upper edge and side of a window on a face.

    Args:
        landmarks: ``[V, 2]`` pixels of the picture.
        picture: Its side.
        config: Where windows fall.
        generator: Of the draw.
    """
    side = min(config.side, picture)
    kind, x, y = torch.rand(3, generator=generator).tolist()
    oval = landmarks[list(FACE_OVAL)]
    if kind < config.mouth:
        centre = landmarks[list(LIPS)].mean(0)
    elif kind < config.mouth + config.eyes:
        centre = landmarks[[index for rim in EYES for index in rim]].mean(0)
    else:
        low, high = oval.min(0).values, oval.max(0).values
        low = low - torch.tensor((0.2, 0.5)) * (high - low)  # ears and hair
        high = high + torch.tensor((0.2, 0.1)) * (high - low)
        centre = low + torch.rand(2, generator=generator) * (high - low)
    centre = centre + side * config.jitter * torch.tensor((2 * x - 1, 2 * y - 1))
    left, top = (centre - side / 2).round().clamp(0, picture - side).int().tolist()
    return left, top, side


def pixel_weights(landmarks: Tensor, picture: int, config: LossConfig) -> Tensor:
    """Weights of the pixels in the loss ``[1, P, P]``: 1, and more on mouth and eyes."""
    weight = torch.ones(picture, picture)
    if config.mouth:
        weight += config.mouth * torch.from_numpy(mouth_mask(landmarks, picture, picture)).float()
    if config.eyes:
        for rim in EYES:
            weight += config.eyes * torch.from_numpy(hull_mask(landmarks[list(rim)], picture, picture)).float()
    return weight[None]


def _landmarks(clip: Clip, frame: int, side: int) -> Tensor:
    """Landmarks ``[V, 2]`` of a frame in pixels of a picture of another side."""
    assert clip.motion.landmarks is not None
    return clip.motion.landmarks[frame, :, :2].float() * (side / clip.side)


def _integer(count: int, generator: torch.Generator) -> int:
    """A number from 0 to ``count - 1``."""
    return int(torch.randint(count, (), generator=generator))
