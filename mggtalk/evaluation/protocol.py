"""Evaluation of several methods on the same clips in one run.

A clip is tracked once. Every method then prepares the portrait and animates it; its frames are compared with the real
ones pixel by pixel where they show the same person, and tracked again for what landmarks, expression and pose they
show. Beside the methods stands the portrait that does not move, the least that they must beat.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mggtalk.errors import MGGTalkError, NoFaceError, OptionError, WeightsMissingError
from mggtalk.evaluation import metrics
from mggtalk.evaluation.comparison import LPIPS_STRIDE, Comparison, Perception
from mggtalk.evaluation.foreign import FID, NOBODY, Judges, load_judges
from mggtalk.evaluation.frames import FrameStore, resize_picture
from mggtalk.evaluation.identity import SFace, csim
from mggtalk.evaluation.report import write_report
from mggtalk.evaluation.scores import PRIOR, REAL, STILL, TRAINED, ClipScore, Evaluation, Scores
from mggtalk.evaluation.sheets import Moment, save_sheet
from mggtalk.evaluation.speech import AudioVisual, SpeechScore
from mggtalk.evaluation.tasks import MODES, PORTRAIT_FRAMES, Given, Mode, PortraitFrame, Reenactor, Task, make_task
from mggtalk.face.lips import lip_gap
from mggtalk.media.clips import Clip, find_clips, other_person
from mggtalk.media.several import MOST_PHOTOS
from mggtalk.motion.retarget import retarget
from mggtalk.nets.perceptual import LPIPS
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion

logger = logging.getLogger(__name__)

LANDMARK_SIDE = 256
"""Side of the picture in whose pixels landmark distances are given, at every frame size."""


class Method(NamedTuple):
    """A way to reenact."""

    pipe: Reenactor
    noise: float = 0.0  # standard deviation of what is added to the driving expression, in its standard deviations
    photos: int = 1  # of the person that it is given


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of an evaluation: what is measured, and on which frames."""

    every: int = 1  # generate and measure each so many-th frame only; the driving motion is tracked on all frames
    size: int = 256  # side of the compared frames
    split: str = "val"  # which rows of the table; several splits with commas between them
    mode: Mode = "self"  # what drives the portrait, see mggtalk.evaluation.tasks
    foreign: tuple[str, ...] = ()  # metrics by networks of others, of mggtalk.evaluation.foreign.FOREIGN; fetched once
    most: int | None = None  # measure so many frames of a clip at most; perceptual distances are then of every one
    portrait_frame: PortraitFrame = "first"  # the clip's first frame, or the most turned one, made frontal from there
    photos: int = 1  # of the person, see mggtalk.evaluation.tasks.choose_photos; a method takes as many as it wants

    def check(self) -> None:
        """Refuse settings that make no sense.

        Raises:
            OptionError: With the first one.
        """
        if self.every < 1:
            raise OptionError(f"The stride over frames is {self.every}.", "Give 1 or more.")
        if self.mode not in MODES:
            raise OptionError(f"The mode is {self.mode!r}.", f"Choose one of {', '.join(MODES)}.")
        if self.most is not None and self.most < 1:
            raise OptionError(f"The number of frames is {self.most}.", "Give 1 or more.")
        frame = self.portrait_frame
        if frame not in PORTRAIT_FRAMES:
            raise OptionError(f"The portrait's frame is {frame!r}.", f"Choose {' or '.join(PORTRAIT_FRAMES)}.")
        if frame != "first" and self.mode != "self":
            problem = f"The mode is {self.mode!r} with the {frame} frame as the portrait."
            raise OptionError(problem, "Use the mode 'self' for it.")
        if not 1 <= self.photos <= MOST_PHOTOS:
            raise OptionError(f"The number of photos is {self.photos}.", f"Give 1 to {MOST_PHOTOS}.")
        if self.photos > 1 and (self.mode, frame) != ("self", "first"):
            problem = f"The mode is {self.mode!r} with the {frame} frame as the first of {self.photos} photos."
            raise OptionError(problem, "Use the mode 'self' and the first frame for it.")


def evaluate(
    methods: Mapping[str, Method],
    clips: str | Path,
    csv: str | Path | None = None,
    out: str | Path | None = None,
    config: EvaluationConfig | None = None,
    on_progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate methods on a folder of clips.

    Args:
        methods: Name to method. One of the name ``prior`` decides which frames are hard.
        clips: Folder of videos.
        csv: See :func:`find_clips`; all videos of the folder without it.
        out: Folder for ``evaluation.json``, ``evaluation.md`` and ``sheets/<clip>.png``; nothing is written without it.
        config: What is measured.
        on_progress: Called with ``"evaluate"``, steps done and steps in all; a step is a clip under a method.

    Returns:
        The scores. Clips that cannot be measured are named with the reason, and so are metrics.

    Raises:
        OptionError: If there is nothing to evaluate, or an option is not allowed.
        MGGTalkError: If not one clip could be measured.
    """
    config = config or EvaluationConfig()
    config.check()
    found = find_clips(clips, csv, config.split)
    judges, not_computed = load_judges(config.foreign, config.mode in ("audio", "fixed-pose"))
    lpips = _load_lpips(config.mode, not_computed)
    scores: list[ClipScore] = []
    skipped: dict[str, str] = {}
    on_progress("evaluate", 0, len(found))
    for index, clip in enumerate(found):
        try:
            source = other_person(found, index) if config.mode == "cross" else clip
            task = _task(methods, clip, source, config)
            stride = LPIPS_STRIDE if config.most is None else 1
            score, moments = score_task(task, methods, config.size, lpips, judges, stride)
        except MGGTalkError as error:
            logger.warning("%s is left out: %s", clip.path.name, error)
            skipped[clip.path.name] = str(error)
        else:
            scores.append(score)
            if out is not None:
                picture = resize_picture(task.portrait, config.size)
                save_sheet(picture, moments, Path(out) / "sheets" / f"{clip.path.stem}.png")
        on_progress("evaluate", index + 1, len(found))
    if not scores:
        first = next(iter(skipped.values()))
        raise MGGTalkError(f"None of {len(found)} clips could be measured. The first: {first}", "Give other clips.")
    fid = _fid(judges, not_computed)
    facts = (config.mode, config.size, config.every, tuple(scores), skipped, not_computed, fid)
    evaluation = Evaluation(*facts, config.portrait_frame, config.most, config.photos)
    if out is not None:
        write_report(evaluation, out)
    return evaluation


def _task(methods: Mapping[str, Method], clip: Clip, source: Clip, config: EvaluationConfig) -> Task:
    """The task of all methods for one clip; the first method's pipeline tracks it."""
    pipe = next(iter(methods.values())).pipe
    given = Given(config.portrait_frame, config.photos)
    return make_task(pipe, clip, source, config.mode, config.every, config.size, config.most, given)


def _fid(judges: Judges, not_computed: dict[str, str]) -> dict[str, float]:
    """FID of each method; empty if it is not asked for, or there are too few frames, which is noted."""
    if judges.fid is None:
        return {}
    try:
        return judges.fid.distances()
    except OptionError as error:
        not_computed[FID] = f"not computed: {error}"
        return {}


def score_task(
    task: Task,
    methods: Mapping[str, Method],
    size: int,
    lpips: Perception | None = None,
    judges: Judges = NOBODY,
    stride: int = LPIPS_STRIDE,
) -> tuple[ClipScore, list[Moment]]:
    """Evaluate all methods on one task.

    Args:
        task: What is asked.
        methods: Name to method.
        size: Side of the compared frames.
        lpips: The perceptual networks, if there are any.
        judges: Networks of others; FID is gathered there.
        stride: Perceptual distances and regions are taken of each so many-th measured frame.

    Returns:
        The scores, and the moments that a contact sheet shows.
    """
    made: dict[str, FrameStore] = {}
    tracks: dict[str, Motion | None] = {}
    motion_scores = {STILL: _motion_scores(task.still, min(task.still.frame_size or task.portrait.shape[:2]), task)}
    avatars = {
        name: method.pipe.prepare(task.photos[: method.photos] if method.photos > 1 else task.portrait, crop="none")
        for name, method in methods.items()
    }
    speech, audio_visual = _score_speech(task, methods, avatars)
    for name, method in methods.items():
        made[name] = FrameStore(_animate(task, method, avatars[name], size), len(task.real), size)
        tracks[name] = _track_again(method.pipe, made[name], task)
        motion_scores[name] = _motion_scores(tracks[name], size, task)
    comparison = Comparison(_landmarks(task.reference) * (size / task.side), lpips, stride)
    still = resize_picture(task.portrait, size)
    if task.same_person:
        tracker = next(iter(methods.values())).pipe
        for index, truth in enumerate(task.real):
            frames = {STILL: still} | {name: store[index] for name, store in made.items()}
            matte = None
            if comparison.looks_closely(index):
                matte = tracker.person_matte(truth, _landmarks(task.reference)[index] * (size / task.side))  # [S, S]
            comparison.watch(truth, frames, index, matte)
    scores = {}
    for name, motion in motion_scores.items():
        pictures = comparison.scores(name) if task.same_person else Scores()
        scores[name] = Scores(**(vars(pictures) | motion))
    if judges.identity is not None:
        for name, value in _resemblance(judges.identity, task, size, made, tracks).items():
            scores[name] = replace(scores.get(name, Scores()), csim_sface=value)
    lips = _lip_shape(task.reference)
    score = ClipScore(
        task.name,
        len(task.real),
        comparison.hard_frames,
        scores,
        comparison.regions,
        float(lips.gap.std()),
        float(lips.width.std()),
        speech,
        audio_visual,
    )
    chosen = _choose_moments(task, comparison, tuple(methods))
    moments = [
        Moment(caption, task.real[index], {name: frames[index] for name, frames in made.items()})
        for index, caption in chosen.items()
    ]
    if judges.fid is not None:
        judges.fid.watch(task.real, still, made)
    return score, moments


def _load_lpips(mode: Mode, not_computed: dict[str, str]) -> Perception | None:
    """The perceptual networks if pictures are compared; without their weights the reason is noted."""
    if mode == "cross":
        return None
    try:
        return Perception(LPIPS("alex"), LPIPS("vgg"))
    except WeightsMissingError as error:
        not_computed["LPIPS"] = f"not computed: {error}"
        return None


def _score_speech(
    task: Task, methods: Mapping[str, Method], avatars: Mapping[str, Any]
) -> tuple[dict[str, SpeechScore], AudioVisual]:
    """Lips of all methods and of the clip itself, and whether its sound and picture go together; empty in silence."""
    if task.spoken is None:
        return {}, AudioVisual()
    first = next(iter(methods))
    priors = (getattr(method.pipe, "audio_prior", None) for method in methods.values())
    phones = next((prior for prior in priors if prior is not None and not prior.untrained), None)
    real, audio_visual = task.spoken.judge(methods[first].pipe, avatars[first], phones)
    made = {name: task.spoken.score(method.pipe, avatars[name]) for name, method in methods.items()}
    return {REAL: real} | made, audio_visual


def _animate(task: Task, method: Method, avatar: Any, size: int) -> Iterable[np.ndarray]:
    """Frames of one method."""
    driving = task.drive(method.pipe, avatar)
    if method.noise:
        driving = retarget(driving, avatar, "absolute", method.pipe.face_model).with_(landmarks=None)
        noise = torch.randn(driving.expression.shape, generator=torch.Generator().manual_seed(0))
        driving = driving.with_(expression=driving.expression + method.noise * noise)
    return method.pipe.animate(avatar, driving, size=size, pose="absolute")


def _track_again(pipe: Reenactor, frames: FrameStore, task: Task) -> Motion | None:
    """Track generated frames; None when they show no face."""
    try:
        return pipe.track_frames(frames, task.reference.fps)
    except NoFaceError:
        logger.warning("No face is found in the frames generated for %s: its motion is not measured.", task.name)
        return None


def _motion_scores(tracked: Motion | None, side: int, task: Task) -> dict[str, float]:
    """Motion metrics of a video against the real one; empty without a track.

    Args:
        tracked: Track of the generated video.
        side: Of its pictures in pixels.
        task: Of whose reference the real motion is.
    """
    if tracked is None:
        return {}
    real = task.reference
    wanted = _landmarks(real) * (LANDMARK_SIDE / task.side)  # [T, 478, 3]
    points = _landmarks(tracked) * (LANDMARK_SIDE / side)  # [T, 478, 3]
    lips, driver = _lip_shape(tracked), _lip_shape(real)
    scores = {
        "lip_gap_slope": metrics.slope(lips.gap, driver.gap),
        "lip_width_slope": metrics.slope(lips.width, driver.width),
        "lip_width_correlation": metrics.correlation(lips.width, driver.width),
        "lip_gap_correlation": metrics.lip_gap_correlation(points, wanted),
        "lip_offset": metrics.lip_offset(points, wanted),
        "aed": metrics.aed(tracked.expression.cpu(), real.expression.cpu()),
        "apd": metrics.apd(tracked.rotation.cpu(), real.rotation.cpu()),
        "jitter": metrics.excess_jitter(points, wanted),
    }
    if task.same_person:
        scores["lmd"] = metrics.lmd(points, wanted)
        scores["lmd_uncentred"] = metrics.lmd(points, wanted, centred=False)
        scores["lip_gap"] = metrics.lip_gap_error(points, wanted)
    return scores


def _resemblance(
    identity: SFace, task: Task, size: int, made: Mapping[str, FrameStore], tracks: Mapping[str, Motion | None]
) -> dict[str, float]:
    """CSIM with the portrait: of itself, of the methods, and of the real frames where they show the same person.

    Frames in which the face was lost count, with landmarks between those of their neighbours; a method without any
    face has no score.
    """
    side = min(task.still.frame_size or task.portrait.shape[:2])
    still = identity.embed(
        [resize_picture(task.portrait, size)], _landmarks(task.still)[:1] * (size / side)
    )  # [1, 128]
    faces = {STILL: still}
    for name, track in tracks.items():
        if track is not None:
            faces[name] = identity.embed(made[name], _landmarks(track))  # [T, 128]
    if task.same_person:
        faces[REAL] = identity.embed(task.real, _landmarks(task.reference) * (size / task.side))  # [T, 128]
    return {name: csim(directions, still[0]) for name, directions in faces.items()}


def _choose_moments(task: Task, comparison: Comparison, methods: tuple[str, ...]) -> dict[int, str]:
    """Choose frames worth a look: frame -> why. Frames that are chosen twice are shown once."""
    judged = next((name for name in (TRAINED, PRIOR) if name in methods), methods[0])
    chosen: dict[int, str] = {}

    def add(index: int, why: str) -> None:
        chosen[index] = f"{chosen[index]}, {why}" if index in chosen else why

    if task.same_person:
        errors = comparison.mouth_errors(judged)
        worst = int(np.nanargmin(np.where(np.isnan(errors), math.inf, errors)))
        add(worst, f"worst mouth of {judged}")
    add(int(lip_gap(_landmarks(task.reference)).argmax()), "widest mouth")
    turn = task.reference.rotation @ task.still.rotation[0].mT  # [T, 3, 3]
    add(int(turn.diagonal(dim1=-2, dim2=-1).sum(-1).argmin()), f"largest turn from frame {task.source}")
    return {index: f"frame {task.frames[index]}: {why}" for index, why in chosen.items()}


def _lip_shape(motion: Motion) -> metrics.LipShape:
    """Opening and width of the lips of a tracked motion, on the head."""
    focal = motion.focal_ratio * max(motion.frame_size or (1, 1))
    return metrics.LipShape.of(_landmarks(motion), motion.rotation.cpu(), motion.translation[:, 2].cpu(), focal)


def _landmarks(motion: Motion) -> np.ndarray:
    """Landmarks ``[T, 478, 3]`` of a tracked motion, in pixels of the video."""
    if motion.landmarks is None:
        raise MGGTalkError("The motion has no landmarks.", "Use a tracker that keeps them.")
    return motion.landmarks.cpu().numpy().astype(np.float64)
