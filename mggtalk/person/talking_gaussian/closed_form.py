"""What is solved for before anything is descended: where things are (drift) and how light falls on them, by turns.

Both look at some frames as they are drawn so far, sum what is missing over what each Gaussian paints, and solve for all
squares of the position map at once. The second turn finds what the first has left over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.animate.head import SplatParts
from mggtalk.face.masks import head_masks
from mggtalk.nets.maps import dilate, erode
from mggtalk.person.lessons import RIM, Lesson, Lessons
from mggtalk.person.talking_gaussian.config import LearnConfig
from mggtalk.person.talking_gaussian.drift import Drawn, inner_slopes, jacobian, outline_slopes
from mggtalk.person.talking_gaussian.field import FieldTouches
from mggtalk.person.talking_gaussian.learning_head import LearningHead
from mggtalk.person.talking_gaussian.light import Seen
from mggtalk.person.talking_gaussian.linear_map import LinearMap
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Camera

SHARE = 0.6
"""Of the time to learn, at most, for all of it."""

TURNS = 2
"""Times that drift and light are solved for."""

DRIFT_SHARE = 0.25
"""Of a turn's time, at most, for the drift."""

WIDE = (0.3, 0.45, 0.08)
"""Margin of the windows in which the drift is found, beside, above and below the face, over its width and height: all
of the hair, whose outline tells most."""

FOREIGN = 0.15
"""Difference from what is seen, RGB, at which a pixel counts half: hands, captions and walls are none."""

ROUND = 6
"""Pixels around the inside of a mouth that are looked at with it."""

BESIDE = 3
"""Pixels around a torso in which the outline of the head is not looked at."""

Place = TypeVar("Place")


class ClosedForm:
    """Solves for the drift and the light of one person.

    Args:
        lessons: The frames.
        head: Draws them.
        openings: Of the lips ``[T]``.
        config: How many frames are looked at.
    """

    def __init__(self, lessons: Lessons, head: LearningHead, openings: np.ndarray, config: LearnConfig) -> None:
        self.lessons, self.head, self.openings, self.config = lessons, head, openings, config
        self._wide = lessons.wider(WIDE, config.drift_frames)
        self._outlines: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def solve(
        self,
        touches: FieldTouches,
        on_progress: Progress = no_progress,
        spent: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Solve for whatever of it the field has.

        Args:
            touches: Of the field.
            on_progress: Called with the stage, steps done and steps in all.
            spent: Share of the time to learn that has passed; fewer frames are looked at where it is short.
        """
        for turn in range(TURNS):
            self._drift(touches, on_progress, spent, SHARE * (turn + DRIFT_SHARE) / TURNS)
            self._light(touches, on_progress, spent, SHARE * (turn + 1) / TURNS)

    def light_frames(self) -> list[tuple[int, bool]]:
        """Frames by which the light is found: some of all, and the mouths of those in which it is open, shuffled."""
        count, config = len(self.lessons), self.config
        order = np.argsort(self.openings)[count // 2 :]  # the more open half
        opened = order[np.linspace(0, len(order) - 1, min(config.open_frames, len(order))).round().astype(int)]
        found = [(int(index), False) for index in self._every(config.light_frames)]
        return self._shuffled(found + [(int(index), True) for index in opened])

    def _drift(self, touches: FieldTouches, on_progress: Progress, spent: Callable[[], float], until: float) -> None:
        drift = touches.field.drift
        if drift is None:
            return
        drawn = []
        frames = self._shuffled([int(index) for index in self._every(self.config.drift_frames)])
        for index in _in_time(frames, "drift", on_progress, spent, until):
            lesson = self._wide[index]
            camera, parts, image, alpha, counts = self._look(touches, lesson)
            counts = counts * (1.0 - dilate(lesson.inside, 1))  # teeth do not go with lips
            said = inner_slopes(image, lesson.truth - image, counts)  # [1, 6, h, w]
            head, sure = self._outline(index, lesson)
            said = said + outline_slopes(alpha, head - alpha, sure)
            block = self.lessons.animator.oversampling
            painted = self.head.painted(parts, camera, _fine(said, block))
            moves = jacobian(painted.places, camera) / block  # [N, 2, 3]
            drawn.append(Drawn(_features(touches, lesson), painted.points, moves))
        drift.add(drawn, touches.cells)

    def _light(self, touches: FieldTouches, on_progress: Progress, spent: Callable[[], float], until: float) -> None:
        light, mouth = touches.field.light, touches.field.mouth
        if light is None:
            return
        seen, inside = [], []
        for index, mouth_alone in _in_time(self.light_frames(), "light", on_progress, spent, until):
            lesson = self.lessons[index]
            lesson = around_mouth(lesson) if mouth_alone else lesson
            camera, parts, image, _, counts = self._look(touches, lesson)
            missing = torch.cat([counts * (lesson.truth - image), counts], dim=1)  # [1, 4, h, w]
            fine = _fine(missing, self.lessons.animator.oversampling)
            painted = self.head.painted(parts, camera, fine)
            features = _features(touches, lesson)
            seen.append(Seen(features, painted.points[:, 3], painted.points[:, :3]))
            inside.append(Seen(features, painted.mouth[:, 3], painted.mouth[:, :3]))
        light.add(seen, touches.cells)
        if mouth is not None and mouth.light is not None:
            mouth.light.add(inside, torch.arange(len(mouth.colour)))

    def _look(self, touches: FieldTouches, lesson: Lesson) -> tuple[Camera, SplatParts, Tensor, Tensor, Tensor]:
        """The camera of a window, the Gaussians, picture ``[1, 3, h, w]``, alpha, weight of pixels."""
        camera = self.lessons.camera(lesson)
        parts = self.head.values(lesson.frame, touches.moved(lesson.frame, moving=False)[0])
        image, alpha = self.lessons.compose(lesson, parts.gaussians)
        counts = torch.maximum(lesson.face, erode(alpha, RIM))  # [1, 1, h, w]
        missed = (lesson.truth - image) / FOREIGN
        return camera, parts, image, alpha, counts / (1.0 + missed.square().sum(1, keepdim=True))

    def _outline(self, index: int, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """The real head's alpha in a window ``[1, 1, h, w]``, and where it is no matter of where a torso begins."""
        if index not in self._outlines:
            footage = self.lessons.footage
            landmarks = footage.landmarks[index]
            masks = head_masks(self.lessons.pipe.person_matte(footage.frames[index], landmarks), landmarks)
            left, top, right, bottom = lesson.box
            head, torso = (
                torch.from_numpy(mask[top:bottom, left:right]).float()[None, None] for mask in (masks.head, masks.torso)
            )
            self._outlines[index] = head, 1.0 - dilate(torso, BESIDE).clamp(0.0, 1.0)
        return self._outlines[index]

    def _every(self, most: int) -> np.ndarray:
        """Frames that are evenly spread, ``most`` at most."""
        count = len(self.lessons)
        return np.linspace(0, count - 1, min(most, count)).round().astype(int)

    def _shuffled(self, frames: Sequence[Place]) -> list[Place]:
        return [frames[place] for place in np.random.default_rng(self.config.seed).permutation(len(frames))]


def around_mouth(lesson: Lesson) -> Lesson:
    """The part of a lesson around the inside of the mouth; all of it where none is in sight."""
    rows, columns = (lesson.inside[0, 0].amax(axis).nonzero().squeeze(-1) for axis in (1, 0))
    if not len(rows):
        return lesson
    height, width = lesson.truth.shape[-2:]
    down = slice(max(int(rows[0]) - ROUND, 0), min(int(rows[-1]) + ROUND + 1, height))
    along = slice(max(int(columns[0]) - ROUND, 0), min(int(columns[-1]) + ROUND + 1, width))
    return lesson.cut(down, along)


def _in_time(
    frames: Sequence[Place], stage: str, on_progress: Progress, spent: Callable[[], float], until: float
) -> Iterator[Place]:
    """Frames while there is time for them; the first one in any case."""
    for done, place in enumerate(frames):
        yield place
        on_progress(stage, done + 1, len(frames))
        if spent() > until:
            return


def _features(touches: FieldTouches, lesson: Lesson) -> Tensor:
    """What maps are linear in ``[F]``."""
    conditions, frame = touches.field.conditions, lesson.frame
    return LinearMap.features(conditions.free_pose(frame.rotation), *conditions(frame.expression))


def _fine(values: Tensor, block: int) -> Tensor:
    """Values ``[1, C, h, w]`` on the fine pixels that frames are composed on, ``[H, W, C]``."""
    return F.interpolate(values, scale_factor=block)[0].permute(1, 2, 0).contiguous()
