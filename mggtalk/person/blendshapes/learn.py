"""Learning an adapter: frames of the clip are rendered, compared with the real ones, and the weights follow."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.avatar.adapter import REGIONS, Adapter
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.touches import Touches
from mggtalk.errors import WeightsMissingError
from mggtalk.face.regions import face_mask
from mggtalk.inpaint.follow import torso_and_background, torso_warp
from mggtalk.inpaint.shrink import shrink
from mggtalk.motion.deformation import drive
from mggtalk.nets.maps import erode, to_float
from mggtalk.nets.perceptual import LPIPS
from mggtalk.person.footage import SIDE, Footage
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Camera, MotionFrame
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

EPSILON = {"sheet": 1e-6}
OTHERS = 1e-5
"""Gradients under these hardly count, by tensor: Adam would make as much of them as of any."""

LEAST = 48
"""Least side of what is compared, pixels: the perceptual networks need some."""

LEARNED = ("vertices", "maps", "sheet")
"""Tensors of a region that learn; its code stays as it was found."""


@dataclass(frozen=True)
class LearnConfig:
    """Settings of learning an adapter."""

    minutes: float = 5.0  # most time for it
    steps: int = 4000  # and most steps; the rate falls to a tenth with whichever comes first
    rate: float = 1e-3  # Adam's, for maps
    geometry: float = 0.3  # the face model's displacements learn at this share of it
    frozen: float = 0.15  # share of the time in which the motion is left alone: first colours, then both
    l1: float = 1.0  # weight of the absolute difference
    ssim: float = 0.2  # weight of 1 - SSIM
    lpips: float = 1.0  # weight of the learned perceptual distance of the face; 0 does without its networks
    mouth: float = 3.0  # extra weight of the mouth's pixels
    eyes: float = 2.0  # extra weight of the eyes' pixels
    seed: int = 0


class _Lesson(NamedTuple):
    """The window of one frame that is compared."""

    frame: MotionFrame
    box: tuple[int, int, int, int]  # left, top, right, bottom in pixels of the frame
    near: tuple[slice, slice]  # rows and columns of the window in which the perceptual distance looks
    truth: Tensor  # [1, 3, h, w] in [0, 1]
    plate: Tensor  # [3, H, W] what is behind the head, on the fine pixels that frames are composed on
    weight: Tensor  # [1, 1, h, w]
    face: Tensor  # [1, 1, h, w] 1 on the face, 0 around it


class Learned(NamedTuple):
    """Result."""

    adapter: Adapter
    steps: int
    losses: list[float]  # of every step


class Learner:
    """Learns the adapter of one avatar.

    Args:
        pipe: Draws; its networks stay as they are.
        avatar: Of a frame of the clip, without an adapter.
        footage: The frames to learn from.
        config: How.
    """

    def __init__(self, pipe: MGGTalkPipeline, avatar: Avatar, footage: Footage, config: LearnConfig) -> None:
        self.pipe, self.avatar, self.footage, self.config = pipe, avatar, footage, config
        self.animator, self.head = pipe.animator(avatar, SIDE), pipe.head(avatar, SIDE)
        self.motion = footage.driving(avatar, pipe)
        self.lpips = _perceptual() if config.lpips else None
        self._lessons: dict[int, _Lesson] = {}

    def learn(self, adapter: Adapter, on_progress: Progress = no_progress) -> Learned:
        """Learn for as long as the configuration says.

        Args:
            adapter: Where to start; it is left as it is.
            on_progress: Called with stage, steps done and steps in all, as far as known.
        """
        config = self.config
        learned = Adapter.of({name: value.clone() for name, value in adapter.tensors().items()})
        touches = Touches(learned, self.avatar)
        groups = self._groups(learned)
        optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        draw = np.random.default_rng(config.seed)
        typical = np.array([int(learned.mouth.shares(frame).argmax()) for frame in self.motion])
        losses: list[float] = []
        started = time.monotonic()
        done = 0.0
        with torch.enable_grad():
            while done < 1.0:
                for group in optimizer.param_groups:
                    group["lr"] = group["full"] * _rate(done, config.frozen if group["moves"] else 0.0)
                loss = self.loss(touches, self._choose(draw, typical, len(losses)))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
                passed = (time.monotonic() - started) / (60.0 * config.minutes)
                done = max(passed, len(losses) / config.steps)
                on_progress("adapt", len(losses), max(len(losses), round(len(losses) / done)))
        for group in groups:
            for tensor in group["params"]:
                tensor.requires_grad_(False)
        # As it will be read from a file.
        return Learned(
            Adapter.of({name: _round(name, value) for name, value in learned.tensors().items()}), len(losses), losses
        )

    @torch.no_grad()
    def plain_loss(self) -> float:
        """Mean loss of all frames without an adapter."""
        return float(np.mean([float(self.loss(None, index)) for index in range(len(self.motion))]))

    def loss(self, touches: Touches | None, index: int) -> Tensor:
        """Distance of one frame from the real one: a scalar."""
        config, lesson = self.config, self._lesson(index)
        image, alpha = self.window(touches, lesson)
        # Around the face, only what the head covers for sure: it must not paint the background.
        covered = erode(alpha.detach(), RIM)
        weight = lesson.weight * torch.maximum(lesson.face, covered)
        total = config.l1 * weighted_mean((image - lesson.truth).abs(), weight)
        total = total + config.ssim * weighted_mean(1.0 - ssim_map(image, lesson.truth), weight)
        if self.lpips is not None:
            near = (..., *lesson.near)
            weight = (lesson.face * lesson.weight)[near]
            total = total + config.lpips * self.lpips(image[near].clamp(0, 1), lesson.truth[near], weight)[0]
        return total

    def window(self, touches: Touches | None, lesson: _Lesson) -> tuple[Tensor, Tensor]:
        """The window of a frame with the adapter as it is, ``[1, 3, h, w]``, and the head's alpha ``[1, 1, h, w]``."""
        avatar, pipe, frame = self.avatar, self.pipe, lesson.frame
        touch = None if touches is None else touches(frame)
        driven = drive(pipe.deformation, pipe.face_model, avatar, frame.expression, touch)
        splats = self.head.predict(driven)
        block, side = self.animator.oversampling, self.animator.fine
        left, top, right, bottom = (block * edge for edge in lesson.box)
        whole = Camera.from_pose(frame.rotation, frame.translation, side, self.animator.focal_ratio)
        drawn = rasterize(splats, whole.window(left, top, right - left, bottom - top))
        head, alpha = drawn.image.permute(2, 0, 1), drawn.alpha[None]  # [3, H, W], [1, H, W]
        composite = head + (1.0 - alpha) * lesson.plate
        layers = shrink(torch.cat([composite, alpha])[None], block)  # [1, 4, h, w]
        return layers[:, :3], layers[:, 3:]

    def _groups(self, adapter: Adapter) -> list[dict]:
        """Parameters that learn, and how fast."""
        config = self.config
        groups: list[dict] = [{"params": [adapter.colour], "full": config.rate, "moves": False, "eps": OTHERS}]
        for name in REGIONS:
            region = getattr(adapter, name)
            for part in LEARNED:
                moves = part == "vertices"
                rate = config.rate * (config.geometry if moves else 1.0)
                epsilon = EPSILON.get(part, OTHERS)
                groups.append({"params": [getattr(region, part)], "full": rate, "moves": moves, "eps": epsilon})
        for group in groups:
            for tensor in group["params"]:
                tensor.requires_grad_(True)
        return groups

    def _choose(self, draw: np.random.Generator, typical: np.ndarray, step: int) -> int:
        """Any frame, or in every second step one of a typical mouth that is drawn first: rare mouths come as often."""
        if step % 2:
            return int(draw.integers(len(typical)))
        return int(draw.choice(np.flatnonzero(typical == draw.choice(np.unique(typical)))))

    def _lesson(self, index: int) -> _Lesson:
        """One frame to learn from; kept."""
        if index not in self._lessons:
            self._lessons[index] = self._made(index)
        return self._lessons[index]

    @torch.no_grad()
    def _made(self, index: int) -> _Lesson:
        landmarks = self.footage.landmarks[index]  # [V, 2]
        beside, above, below = AROUND
        width, height = landmarks.max(0) - landmarks.min(0)
        low = _whole(landmarks.min(0) - (beside * width + MARGIN, above * height + MARGIN), up=False)
        high = _whole(landmarks.max(0) + (beside * width + MARGIN, below * height + MARGIN), up=True)
        low = low.clip(0, SIDE - LEAST)
        high = high.clip(low + LEAST, SIDE)
        inner_low = _whole(landmarks.min(0) - MARGIN, up=False).clip(low, high - LEAST) - low
        inner_high = _whole(landmarks.max(0) + MARGIN, up=True).clip(inner_low + low + LEAST, high) - low
        near = (slice(inner_low[1], inner_high[1]), slice(inner_low[0], inner_high[0]))
        rows, columns = slice(low[1], high[1]), slice(low[0], high[0])
        frame, config = self.motion[index], self.config
        warp = torso_warp(self.avatar.plates.follow, self.avatar.source, frame, self.animator.focal_ratio)
        block, fine = self.animator.oversampling, self.animator.fine
        window = (slice(block * low[1], block * high[1]), slice(block * low[0], block * high[0]))
        plate = torso_and_background(self.animator.plates, warp, fine)[0, :, *window]
        truth = to_float(self.footage.frames[index][rows, columns])
        losses = LossConfig(mouth=config.mouth, eyes=config.eyes)
        weight = pixel_weights(torch.from_numpy(landmarks), SIDE, losses)[:, rows, columns]
        face = torch.from_numpy(face_mask(landmarks, SIDE, SIDE))[None, rows, columns].float()
        box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return _Lesson(frame, box, near, truth[None], plate.clone(), weight[None], face[None])


def _whole(place: np.ndarray, up: bool) -> np.ndarray:
    """The next whole pixels ``[2]`` above or below a place."""
    return (np.ceil(place) if up else np.floor(place)).astype(int)


def _perceptual() -> LPIPS | None:
    """The perceptual distance; without its weights pictures get duller, and the log says so."""
    try:
        return LPIPS("alex")
    except WeightsMissingError as error:
        logger.warning("learning without a perceptual distance: %s", error)
        return None


def _rate(done: float, frozen: float) -> float:
    """Share of the full rate when a share of the time has passed: none while frozen, then a cosine to a tenth."""
    if done < frozen:
        return 0.0
    return 0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


def _round(name: str, value: Tensor) -> Tensor:
    """A tensor as a file holds it."""
    return value.half().float() if name == "colour" or name.rpartition(".")[2] in LEARNED else value
