"""Learning an adapter: frames of the clip are rendered, compared with the real ones, and the weights follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.avatar.adapter import REGIONS, Adapter
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.touches import Touches
from mggtalk.person.footage import Footage
from mggtalk.person.lessons import Lessons, Terms, compare, never, perceptual
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.training.loop import Budget, Loop, Rate, cosine

EPSILON = {"sheet": 1e-6}
OTHERS = 1e-5
"""Gradients under these hardly count, by tensor: Adam would make as much of them as of any."""

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
        self.avatar, self.config = avatar, config
        self.lessons = Lessons(pipe, avatar, footage, config.mouth, config.eyes)
        self.motion = self.lessons.motion
        self.lpips = perceptual("alex") if config.lpips else None

    def learn(self, adapter: Adapter, on_progress: Progress = no_progress, stop: Callable[[], bool] = never) -> Learned:
        """Learn for as long as the configuration says.

        Args:
            adapter: Where to start; it is left as it is.
            on_progress: Called with stage, steps done and steps in all, as far as known.
            stop: Asked before every step; what was learned by then is kept.
        """
        config = self.config
        learned = Adapter.of({name: value.clone() for name, value in adapter.tensors().items()})
        touches = Touches(learned, self.avatar)
        groups = self._groups(learned)
        draw = np.random.default_rng(config.seed)
        typical = np.array([int(learned.mouth.shares(frame).argmax()) for frame in self.motion])
        losses: list[float] = []
        done = Budget(config.minutes, config.steps)

        def loss_at(step: int) -> Tensor:
            loss = self.loss(touches, self._choose(draw, typical, step))
            losses.append(float(loss.detach()))
            return loss

        rates = [_rate(done, config.frozen if group["moves"] else 0.0) for group in groups]
        loop = Loop(torch.optim.Adam(groups, betas=(0.9, 0.99)), rates)
        for _ in loop.run(loss_at, lambda step: 1.0 if stop() else done(step)):
            on_progress("adapt", loop.step, done.in_all(loop.step))
        for group in groups:
            for tensor in group["params"]:
                tensor.requires_grad_(requires_grad=False)
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
        config, lesson = self.config, self.lessons[index]
        image, alpha = self.lessons.draw(lesson, None if touches is None else touches(lesson.frame))
        return compare(image, alpha, lesson, Terms(config.l1, config.ssim, config.lpips), self.lpips)

    def _groups(self, adapter: Adapter) -> list[dict[str, Any]]:
        """Parameters that learn, and how fast."""
        config = self.config
        groups: list[dict[str, Any]] = [{"params": [adapter.colour], "lr": config.rate, "moves": False, "eps": OTHERS}]
        for name in REGIONS:
            region = getattr(adapter, name)
            for part in LEARNED:
                moves = part == "vertices"
                rate = config.rate * (config.geometry if moves else 1.0)
                epsilon = EPSILON.get(part, OTHERS)
                groups.append({"params": [getattr(region, part)], "lr": rate, "moves": moves, "eps": epsilon})
        for group in groups:
            for tensor in group["params"]:
                tensor.requires_grad_()
        return groups

    def _choose(self, draw: np.random.Generator, typical: np.ndarray, step: int) -> int:
        """Any frame, or in every second step one of a typical mouth that is drawn first: rare mouths come as often."""
        if step % 2:
            return int(draw.integers(len(typical)))
        return int(draw.choice(np.flatnonzero(typical == draw.choice(np.unique(typical)))))


def _rate(done: Callable[[int], float], frozen: float) -> Rate:
    """Rate by the share of the work that is done: none while frozen, then a cosine to a tenth."""
    return lambda step: 0.0 if (share := done(step)) < frozen else cosine(share)


def _round(name: str, value: Tensor) -> Tensor:
    """A tensor as a file holds it."""
    return value.half().float() if name == "colour" or name.rpartition(".")[2] in LEARNED else value
