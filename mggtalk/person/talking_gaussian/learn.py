"""Learning a head in three stages: static field, motion, fusion (TalkingGaussian, sec. 3.4).

::

    static   persistent parameters                  L1 + 0.2 (1 - SSIM),  and the mouth's branch alone inside the lips
    motion   all                                    the same + LPIPS + 1e-5 |delta|
    fusion   colours and opacities                  the same

Each stage has a share of the time, so that a head can be had in one minute or in twenty. The field starts as the avatar
of the best frame, which is why the static stage may be short.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mggtalk.avatar.adapter import Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.inpaint.shrink import shrink
from mggtalk.nets.perceptual import LPIPS
from mggtalk.person.footage import Footage
from mggtalk.person.lessons import Lesson, Lessons, Terms, compare, never, perceptual
from mggtalk.person.talking_gaussian.checkpoint import Checkpoint, key_of
from mggtalk.person.talking_gaussian.config import LearnConfig
from mggtalk.person.talking_gaussian.field import FieldTouches, TalkingGaussian
from mggtalk.person.talking_gaussian.sampling import Sampling, blinks, lip_openings
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.sgp.predictor import own_mouth
from mggtalk.training.loop import Budget, Loop, Rate, cosine
from mggtalk.training.losses import weighted_mean

EPSILON = 2e-7
"""Gradients of persistent parameters under this hardly count: Adam would make as much of them as of any."""

PATCH = 80
"""Side of the patches that the perceptual distance looks at, pixels: published are 64 to 96 of 512 wide frames."""

LEAST_INSIDE = 20
"""Pixels between the lips, at least, of a frame that the mouth's branch learns from."""

SLOW_FUSION = 0.1
"""Share of their rate that opacities have in the last stage."""


class Stage(StrEnum):
    """What learns."""

    STATIC = "static"
    MOTION = "motion"
    FUSION = "fusion"


class Learned(NamedTuple):
    """Result."""

    field: TalkingGaussian
    losses: list[float]  # of every step


class Learner:
    """Learns the head of one person.

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
        self.lpips = perceptual() if config.lpips else None
        openings = lip_openings(pipe.face_model, self.motion)
        every = config.window_every if config.incremental else 0
        self.sampling = Sampling(openings, blinks(pipe.face_model, self.motion), every, config.seed)

    def learn(
        self,
        field: TalkingGaussian,
        on_progress: Progress = no_progress,
        stop: Callable[[], bool] = never,
        resume: Path | None = None,
    ) -> Learned:
        """Learn for as long as the configuration says.

        Args:
            field: Learns in place.
            on_progress: Called with the stage, steps done and steps in all, as far as known.
            stop: Asked before every step; what was learned by then is kept.
            resume: File of a checkpoint: learning goes on from it if it is there, and writes it on the way.
        """
        config = self.config
        optimizer = torch.optim.Adam(self.groups(field), betas=(0.9, 0.99), eps=EPSILON)
        touches = FieldTouches(field.requires_grad_(), self.avatar)
        checkpoint = None if resume is None else Checkpoint(resume, self._key(field))
        seconds, losses = (0.0, []) if checkpoint is None else checkpoint.read(field, optimizer)
        first = len(losses)
        done = Budget(config.minutes, config.steps, seconds, first)

        def rate_of(kind: str) -> Rate:
            return lambda step: rate(kind, stage_at(done(first + step), config), done(first + step))

        def loss_at(step: int) -> Tensor:
            share = done(step)
            for group in optimizer.param_groups:
                for parameter in group["params"]:  # what does not learn needs no gradients
                    parameter.requires_grad_(group["lr"] > 0.0)
            index = self.sampling.draw(step, motion_done(share, config))
            loss = self.loss(touches, stage_at(share, config), index, step)
            losses.append(float(loss.detach()))
            return loss

        loop = Loop(optimizer, [rate_of(group["kind"]) for group in optimizer.param_groups])
        loop.step = first
        stage = stage_at(done(first), config)
        for _ in loop.run(loss_at, lambda step: 1.0 if stop() else done(step)):
            if checkpoint is not None and checkpoint.due():
                checkpoint.write(field, optimizer, done.seconds, losses)
            on_progress(stage, loop.step, done.in_all(loop.step))
            stage = stage_at(done(loop.step), config)
        if checkpoint is not None:
            if done(loop.step) < 1.0:
                checkpoint.write(field, optimizer, done.seconds, losses)
            else:
                checkpoint.remove()
        return Learned(field.requires_grad_(requires_grad=False), losses)

    def _key(self, field: TalkingGaussian) -> str:
        return key_of(self.lessons.footage.frames, self.avatar.points, self.config, field)

    def loss(self, touches: FieldTouches, stage: Stage, index: int, step: int = 0) -> Tensor:
        """Loss of one frame: a scalar; the step decides where the perceptual distance looks."""
        config, lesson = self.config, self.lessons[index]
        touch = touches(lesson.frame, moving=stage != Stage.STATIC)
        image, alpha = self.lessons.draw(lesson, touch)
        total = compare(image, alpha, lesson, Terms(config.l1, config.ssim, 0.0), None)
        if stage != Stage.STATIC and self.lpips is not None:
            total = total + config.lpips * self.perceived(self.lpips, image, lesson, step)
        if config.inside and stage != Stage.FUSION and len(touch.mouth):
            total = total + config.inside * self.inside(touch, lesson)
        if config.still and stage == Stage.MOTION and touches.field.config.motion:
            move = touches.motion(lesson.frame.expression)
            total = total + config.still * sum(part.abs().mean() for part in move)
        return total

    def perceived(self, lpips: LPIPS, image: Tensor, lesson: Lesson, step: int) -> Tensor:
        """Perceptual distance of a random patch ``PATCH`` wide; in every second step, of one on the mouth."""
        height, width = image.shape[-2:]
        draw = np.random.default_rng((self.config.seed, step, 1))
        region = lesson.inside if step % 2 and lesson.inside.any() else lesson.face
        rows, columns = region[0, 0].nonzero(as_tuple=True)
        chosen = int(draw.integers(len(rows)))
        top = int(np.clip(int(rows[chosen]) - PATCH // 2, 0, max(height - PATCH, 0)))
        left = int(np.clip(int(columns[chosen]) - PATCH // 2, 0, max(width - PATCH, 0)))
        patch = (..., slice(top, top + PATCH), slice(left, left + PATCH))
        weight = (lesson.face * lesson.weight)[patch]
        return lpips(image[patch].clamp(0, 1), lesson.truth[patch], weight)[0]

    def inside(self, touch: Touch, lesson: Lesson) -> Tensor:
        """Difference of the mouth's branch alone, over black, from what is seen between the lips."""
        if float(lesson.inside.sum()) < LEAST_INSIDE:
            return lesson.inside.new_zeros(())
        image, _ = self.lessons.splat(lesson, own_mouth(touch.mouth))
        small = shrink(image[None], self.lessons.animator.oversampling)  # [1, 3, h, w]
        return weighted_mean((small - lesson.truth).abs(), lesson.inside)

    def groups(self, field: TalkingGaussian) -> list[dict[str, Any]]:
        """Parameters with their rates, by what they are."""
        rates, face, mouth = self.config.rates, field.face, field.mouth
        kinds: dict[str, list[nn.Parameter]] = {
            **{name: [parameter] for name, parameter in face.named_parameters(recurse=False)},
            "grid": list(field.planes.parameters()),
            "network": list(field.motion.parameters()),
        }
        if field.colour is not None:
            kinds["network"] += field.colour.parameters()
        if mouth is not None:
            for name in ("points", "shape", "colour", "logits"):
                kinds[name].append(getattr(mouth, name))
            kinds["grid"] += mouth.planes.parameters()
            kinds["network"] += mouth.motion.parameters()
        return [{"params": params, "lr": getattr(rates, kind), "kind": kind} for kind, params in kinds.items()]


def stage_at(done: float, config: LearnConfig) -> Stage:
    """The stage when a share ``done`` of the time has passed."""
    if done < config.static:
        return Stage.STATIC
    return Stage.MOTION if done < 1.0 - config.fusion else Stage.FUSION


def motion_done(done: float, config: LearnConfig) -> float:
    """Share of the time before the fusion stage that has passed: how far incremental sampling is."""
    return min(1.0, done / max(1.0 - config.fusion, 1e-6))


def rate(kind: str, stage: Stage, done: float) -> float:
    """Share of its full rate at which a kind of parameter learns; zero where the stage leaves it alone."""
    if kind in ("grid", "network") and stage != Stage.MOTION:
        return 0.0
    if kind in ("points", "coarse_points", "shape") and stage == Stage.FUSION:
        return 0.0
    slow = SLOW_FUSION if kind == "logits" and stage == Stage.FUSION else 1.0
    return slow * cosine(done)
