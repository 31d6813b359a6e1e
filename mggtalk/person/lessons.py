"""What every person-specific method learns from: the window of a frame around the head, drawn and compared."""

from __future__ import annotations

import copy
import logging
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mggtalk.avatar.adapter import Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import WeightsMissingError
from mggtalk.face.regions import face_mask, hull_mask
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.inpaint.follow import shed_loose, torso_and_background, torso_warp
from mggtalk.inpaint.shrink import shrink
from mggtalk.motion.deformation import drive
from mggtalk.nets.maps import erode, to_float
from mggtalk.nets.perceptual import LPIPS, Network, read_weights
from mggtalk.person.footage import SIDE, Footage
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera, Gaussians, MotionFrame
from mggtalk.training.config import LossConfig
from mggtalk.training.head.samples import pixel_weights
from mggtalk.training.losses import ssim_map, weighted_mean

logger = logging.getLogger(__name__)

MARGIN = 8
"""Pixels around the face in which the perceptual distance looks."""

AROUND = (0.18, 0.22, 0.08)
"""Margin that is rendered beside, above and below the face, over its width and height: ears and hair."""

RIM = 3
"""Pixels at the outline of the rendered head that are not compared: there the background shows through."""

LEAST = 48
"""Least side of what is compared, pixels: the perceptual networks need some."""

KEPT = 400
"""Lessons that are kept, at most: half a megabyte each."""


class Lesson(NamedTuple):
    """The window of one frame that is compared."""

    frame: MotionFrame
    box: tuple[int, int, int, int]  # left, top, right, bottom in pixels of the frame
    near: tuple[slice, slice]  # rows and columns of the window in which the perceptual distance looks
    truth: Tensor  # [1, 3, h, w] in [0, 1]
    plate: Tensor  # [3, H, W] what is behind the head, on the fine pixels that frames are composed on
    weight: Tensor  # [1, 1, h, w]
    face: Tensor  # [1, 1, h, w] 1 on the face, 0 around it
    inside: Tensor  # [1, 1, h, w] 1 between the inner lips

    def cut(self, rows: slice, columns: slice) -> Lesson:
        """A part of the window, rows and columns counted from its corner; the perceptual distance sees all of it."""
        left, top = self.box[:2]
        block = self.plate.shape[-1] // self.truth.shape[-1]
        down, along = (slice(block * part.start, block * part.stop) for part in (rows, columns))
        part = (..., rows, columns)
        return Lesson(
            self.frame,
            box=(left + columns.start, top + rows.start, left + columns.stop, top + rows.stop),
            near=(slice(0, rows.stop - rows.start), slice(0, columns.stop - columns.start)),
            truth=self.truth[part],
            plate=self.plate[..., down, along],
            weight=self.weight[part],
            face=self.face[part],
            inside=self.inside[part],
        )

    def pack(self) -> Lesson:
        """The same in a quarter of the memory: pictures as bytes, weights in half precision."""
        truth, plate = ((255.0 * picture).round().clamp(0, 255).byte() for picture in (self.truth, self.plate))
        weight, face, inside = (part.half() for part in (self.weight, self.face, self.inside))
        return self._replace(truth=truth, plate=plate, weight=weight, face=face, inside=inside)

    def unpack(self) -> Lesson:
        """The lesson of :meth:`pack`."""
        truth, plate = (picture / 255.0 for picture in (self.truth, self.plate))
        weight, face, inside = (part.float() for part in (self.weight, self.face, self.inside))
        return self._replace(truth=truth, plate=plate, weight=weight, face=face, inside=inside)


class Terms(NamedTuple):
    """Weights of the terms that pictures are compared by."""

    l1: float  # absolute difference
    ssim: float  # 1 - SSIM
    lpips: float  # learned perceptual distance of the face


class Lessons:
    """The frames of a footage as lessons for the head of one avatar.

    Args:
        pipe: Draws; its networks stay as they are.
        avatar: Of a frame of the clip, without an adapter.
        footage: The frames to learn from.
        mouth: Extra weight of the mouth's pixels.
        eyes: Extra weight of the eyes' pixels.
        kept: How many lessons stay in memory once they were made.
    """

    def __init__(
        self,
        pipe: MGGTalkPipeline,
        avatar: Avatar,
        footage: Footage,
        mouth: float,
        eyes: float,
        kept: int = KEPT,
    ) -> None:
        self.pipe, self.avatar, self.footage, self.kept = pipe, avatar, footage, kept
        self.around = AROUND
        self.animator, self.head = pipe.animator(avatar, SIDE), pipe.head(avatar, SIDE)
        self.motion = footage.driving(avatar, pipe)
        self._weights = LossConfig(mouth=mouth, eyes=eyes)
        self._lessons: dict[int, Lesson] = {}

    def wider(self, around: tuple[float, float, float], kept: int) -> Lessons:
        """The same with another margin of the windows, as :data:`AROUND`, and none made yet."""
        others = copy.copy(self)
        others.around, others.kept, others._lessons = around, kept, {}
        return others

    def __len__(self) -> int:
        return len(self.motion)

    def __getitem__(self, index: int) -> Lesson:
        """The lesson of one frame."""
        if index in self._lessons:
            return self._lessons[index].unpack()
        packed = self._make(index).pack()
        if len(self._lessons) < self.kept:
            self._lessons[index] = packed
        return packed.unpack()

    def draw(self, lesson: Lesson, touch: Touch | None) -> tuple[Tensor, Tensor]:
        """The window of a frame over its plate ``[1, 3, h, w]``, and the head's alpha ``[1, 1, h, w]``."""
        driven = drive(self.pipe.deformation, self.pipe.face_model, self.avatar, lesson.frame.expression, touch)
        return self.compose(lesson, self.head.predict(driven))

    def compose(self, lesson: Lesson, splats: Gaussians) -> tuple[Tensor, Tensor]:
        """Gaussians in a window over its plate ``[1, 3, h, w]``, and their alpha ``[1, 1, h, w]``."""
        image, alpha = self.splat(lesson, splats)  # [3, H, W], [1, H, W]
        composite = image + (1.0 - alpha) * lesson.plate
        layers = shrink(torch.cat([composite, alpha])[None], self.animator.oversampling)  # [1, 4, h, w]
        return layers[:, :3], layers[:, 3:]

    def splat(self, lesson: Lesson, splats: Gaussians) -> tuple[Tensor, Tensor]:
        """Gaussians alone on the fine pixels of a window: RGB ``[3, H, W]``, premultiplied, and alpha ``[1, H, W]``."""
        drawn = rasterize(splats, self.camera(lesson))
        return drawn.image.permute(2, 0, 1), drawn.alpha[None]

    def camera(self, lesson: Lesson) -> Camera:
        """The camera that sees the fine pixels of a window."""
        frame, block, side = lesson.frame, self.animator.oversampling, self.animator.fine
        left, top, right, bottom = (block * edge for edge in lesson.box)
        whole = Camera.from_pose(frame.rotation, frame.translation, side, self.animator.focal_ratio)
        return whole.window(left, top, right - left, bottom - top)

    @torch.no_grad()
    def _make(self, index: int) -> Lesson:
        landmarks = self.footage.landmarks[index]  # [V, 2]
        beside, above, below = self.around
        width, height = landmarks.max(0) - landmarks.min(0)
        low = _whole(landmarks.min(0) - (beside * width + MARGIN, above * height + MARGIN), up=False)
        high = _whole(landmarks.max(0) + (beside * width + MARGIN, below * height + MARGIN), up=True)
        low = low.clip(0, SIDE - LEAST)
        high = high.clip(low + LEAST, SIDE)
        inner_low = _whole(landmarks.min(0) - MARGIN, up=False).clip(low, high - LEAST) - low
        inner_high = _whole(landmarks.max(0) + MARGIN, up=True).clip(inner_low + low + LEAST, high) - low
        near = (slice(inner_low[1], inner_high[1]), slice(inner_low[0], inner_high[0]))
        rows, columns = slice(low[1], high[1]), slice(low[0], high[0])
        frame = self.motion[index]
        warp = torso_warp(self.avatar.plates, self.avatar.source, frame, self.animator.focal_ratio)
        block, fine = self.animator.oversampling, self.animator.fine
        window = (slice(block * low[1], block * high[1]), slice(block * low[0], block * high[0]))
        plates = shed_loose(self.animator.plates, self.avatar.source, frame)
        plate = torso_and_background(plates, warp, fine)[0, :, *window]
        truth = to_float(self.footage.frames[index][rows, columns])
        weight = pixel_weights(torch.from_numpy(landmarks), SIDE, self._weights)[:, rows, columns]
        face = torch.from_numpy(face_mask(landmarks, SIDE, SIDE))[None, rows, columns].float()
        lips = landmarks[[*LIPS_INNER_UPPER, *LIPS_INNER_LOWER]]
        inside = torch.from_numpy(hull_mask(lips, SIDE, SIDE))[None, rows, columns].float()
        box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return Lesson(frame, box, near, truth[None], plate.clone(), weight[None], face[None], inside[None])


def compare(image: Tensor, alpha: Tensor, lesson: Lesson, terms: Terms, lpips: Perceived | None) -> Tensor:
    """Distance of a drawn window from the real one: a scalar.

    Args:
        image: ``[1, 3, h, w]`` of :meth:`Lessons.draw`.
        alpha: Of the head ``[1, 1, h, w]``.
        lesson: The real window.
        terms: Weights.
        lpips: What perceptual networks say; without it there is no such term.
    """
    # Around the face, only what the head covers for sure: it must not paint the background.
    covered = erode(alpha.detach(), RIM)
    weight = lesson.weight * torch.maximum(lesson.face, covered)
    total = terms.l1 * weighted_mean((image - lesson.truth).abs(), weight)
    if terms.ssim:
        total = total + terms.ssim * weighted_mean(1.0 - ssim_map(image, lesson.truth), weight)
    if terms.lpips and lpips is not None:
        near = (..., *lesson.near)
        total = total + terms.lpips * lpips(image[near].clamp(0, 1), lesson.truth[near], weight[near])[0]
    return total


def never() -> bool:
    """Nobody asks to stop."""
    return False


class Perceived(nn.Module):
    """Mean of the distances that perceptual networks tell: what deceives one of them, another one sees.

    Args:
        networks: Their names.
    """

    def __init__(self, *networks: Network) -> None:
        super().__init__()
        self.networks = nn.ModuleList(LPIPS(network) for network in networks)

    def forward(self, image: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """Distances ``[B]``; see :meth:`mggtalk.nets.perceptual.LPIPS.forward`."""
        return torch.stack([network(image, truth, mask) for network in self.networks]).mean(0)


def perceptual(*networks: Network) -> Perceived | None:
    """The perceptual distance; without its weights pictures get duller, and the log says so."""
    try:
        return Perceived(*networks)
    except WeightsMissingError as error:
        logger.warning("learning without a perceptual distance: %s", error)
        return None


def perceptual_notes(*networks: Network) -> tuple[str, ...]:
    """What the user should know about the perceptual distance: why there is none, or nothing."""
    try:
        for network in networks:
            read_weights(network)
    except WeightsMissingError as error:
        return (f"Learned without a perceptual distance, which makes the head duller. {error}",)
    return ()


def _whole(place: np.ndarray, up: bool) -> np.ndarray:
    """The next whole pixels ``[2]`` above or below a place."""
    return (np.ceil(place) if up else np.floor(place)).astype(int)
