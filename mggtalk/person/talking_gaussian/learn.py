"""Learning a head in three stages: static field, motion, fusion (TalkingGaussian, sec. 3.4).

::

    drift, light    places and colours by expression and pose    least squares, by turns
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
from mggtalk.nets.maps import box_mean, dilate
from mggtalk.person.footage import Footage
from mggtalk.person.lessons import Lesson, Lessons, Terms, compare, never, perceptual
from mggtalk.person.talking_gaussian.checkpoint import Checkpoint, key_of
from mggtalk.person.talking_gaussian.closed_form import ClosedForm
from mggtalk.person.talking_gaussian.config import LearnConfig
from mggtalk.person.talking_gaussian.field import FieldTouches, TalkingGaussian
from mggtalk.person.talking_gaussian.learning_head import LearningHead
from mggtalk.person.talking_gaussian.sampling import Sampling, blinks, lip_openings
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.sgp.predictor import own_mouth
from mggtalk.training.loop import Budget, Loop, Rate, cosine
from mggtalk.training.losses import weighted_mean

EPSILON = 2e-6
"""Gradients of persistent parameters under this hardly count: Adam would make as much of them as of any."""

PATCH = 96
"""Side of the patches that are drawn and compared, pixels: to draw them is all that a step costs."""

BESIDE = 4
"""Pixels around the face over which what is learned by descent fades out."""

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
        self.head = LearningHead(self.lessons.head)
        self.lpips = perceptual("alex", "vgg") if config.lpips else None
        openings = lip_openings(pipe.face_model, self.motion)
        every = config.window_every if config.incremental else 0
        self.closed_form = ClosedForm(self.lessons, self.head, openings, config)
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

        if not first:
            self.closed_form.solve(touches, on_progress, lambda: done.seconds / (60.0 * config.minutes))
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

    def loss(self, touches: FieldTouches, stage: Stage, index: int, step: int | None = None) -> Tensor:
        """Loss of one frame: a scalar; the step decides which patch of it is compared, without one all of it."""
        config, lesson = self.config, self.lessons[index]
        if step is not None:
            lesson = self.patch(lesson, step)
        touch, move = touches.moved(lesson.frame, moving=stage != Stage.STATIC)
        splats = self.head.splats(lesson.frame, touch, self.lessons.camera(lesson))
        asked = stage != Stage.STATIC and (step or 0) % config.lpips_every == 0
        lpips = config.lpips if asked else 0.0
        image, alpha = self.lessons.compose(lesson, splats)
        image = image.detach() + around_face(lesson) * (image - image.detach())
        total = compare(image, alpha, lesson, Terms(config.l1, config.ssim, lpips), self.lpips)
        if config.inside and stage != Stage.FUSION and len(touch.mouth):
            total = total + config.inside * self.inside(touch, lesson)
        if config.still and stage == Stage.MOTION and move is not None:
            total = total + config.still * sum(part.abs().mean() for part in move)
        return total

    def patch(self, lesson: Lesson, step: int) -> Lesson:
        """A patch ``PATCH`` wide around a random pixel of the face, as often as it weighs."""
        height, width = lesson.truth.shape[-2:]
        draw = np.random.default_rng((self.config.seed, step, 1))
        chance = (lesson.weight * lesson.face).flatten().double().numpy()
        row, column = divmod(int(draw.choice(height * width, p=chance / chance.sum())), width)
        top = int(np.clip(row - PATCH // 2, 0, max(height - PATCH, 0)))
        left = int(np.clip(column - PATCH // 2, 0, max(width - PATCH, 0)))
        return lesson.cut(slice(top, min(top + PATCH, height)), slice(left, min(left + PATCH, width)))

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


def around_face(lesson: Lesson) -> Tensor:
    """Where what is drawn learns ``[1, 1, h, w]``: 1 on the face, fading to 0 beside it.

    Hair blurs by descent, as its strands are elsewhere in every frame. It must have no gradient at all: the little that
    the perceptual distance of the face leaves there, Adam makes as much of as of any, and hair turns violet.
    """
    return box_mean(dilate(lesson.face, BESIDE), 2 * BESIDE + 1)


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
    return slow * cosine(done, floor=0.0)
