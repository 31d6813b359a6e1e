"""Person-specific heads on seconds that they did not learn from: ``python -m mggtalk evaluate --mode person``.

The first part of a clip is learned, the rest is driven by its own expressions and poses, and once more by its sound
with the true poses, in the voice that was learned from the first part. As TalkingGaussian's tables do, a head is also
measured over the true torso and background: what they would add is not the head's doing. What is learned stands before
what the first part shows of the background, as ``adapt`` leaves it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import check_consent
from mggtalk.errors import MGGTalkError, NoFaceError, OptionError
from mggtalk.evaluation import metrics
from mggtalk.evaluation.comparison import Comparison, Perception
from mggtalk.evaluation.scores import Scores
from mggtalk.evaluation.sheets import Moment, save_sheet
from mggtalk.face.blendshapes import NAMES
from mggtalk.face.masks import head_masks
from mggtalk.nets.perceptual import LPIPS
from mggtalk.person.adapt import AdaptConfig, choose_portrait, learn_head, look_behind
from mggtalk.person.footage import SIDE, Clip, Footage, open_clip
from mggtalk.person.load import put_together
from mggtalk.person.voice import Learned, learn_voice, say, speak_all
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion
from mggtalk.training.speech.sync import correlation, lip_gaps

logger = logging.getLogger(__name__)

ONE_SHOT, BEST = "one-shot", "best frame"
"""Columns in which nothing is learned: the avatars of the first frame and of the best one, each of that frame alone."""

BY_SOUND = ", by sound"
"""Behind the name of a method whose expressions are told from the sound."""

MOMENTS = 6
"""Frames of a contact sheet."""

TIMED = 12
"""Frames by which the speed is told."""

UPPER = tuple(index for index, name in enumerate(NAMES) if name.startswith(("brow", "eye", "cheekSquint")))
LOWER = tuple(index for index, name in enumerate(NAMES) if name.startswith(("jaw", "mouth")))
"""ARKit scores of the upper and the lower face, which stand for the action units."""

Change = Callable[[AdaptConfig], AdaptConfig]


def _talking(part: str | None = None, *, wanted: bool = False) -> Change:
    """TalkingGaussian, with or without a part of it."""

    def change(config: AdaptConfig) -> AdaptConfig:
        changes: dict[str, Any] = {} if part is None else {part: wanted}
        return replace(config, method="talking-gaussian", talking=replace(config.talking, **changes))

    return change


METHODS: dict[str, Change] = {
    "blendshapes": lambda config: replace(config, method="blendshapes"),
    "talking-gaussian": _talking(),
}
"""Columns in which a head is learned."""

ABLATIONS: dict[str, Change] = {
    "colour": _talking("colour", wanted=True),
    "drift": _talking("drift"),
    "light": _talking("light"),
    "rig": _talking("rig"),
    "motion": _talking("motion"),
    "face-mouth": _talking("face_mouth"),
    "incremental": lambda config: replace(
        _talking()(config), learn_talking=replace(config.learn_talking, incremental=False)
    ),
}
"""More columns: TalkingGaussian with the colour MLP, and without each of its parts."""

TITLES = {"colour": "talking-gaussian + colour MLP"}


@dataclass(frozen=True)
class PersonScores:
    """One method on the held-out seconds of one clip."""

    pictures: Scores  # whole frame, face and mouth
    head: Scores  # whole frame, with the true torso and background in place of the method's
    lmd: float  # pixels at SIDE, lips centred in every frame
    lips: float  # correlation of the gap between the lips with the real one
    upper: float  # summed squared error of the scores of the upper face, which stand for its action units
    lower: float  # and of the lower face
    driven: float  # by sound: correlation of the gap of the driven mesh with the real one, in all held-out frames
    spread: float  # and its standard deviation over the real one's
    minutes: float  # of CPU time to learn
    fps: float  # frames a second that this machine makes, as busy as it was


class _Measured(NamedTuple):
    """Frames of all methods at the measured moments."""

    frames: dict[str, list[np.ndarray]]
    fps: dict[str, float]


def evaluate_person(
    pipe: MGGTalkPipeline,
    clips: Iterable[Path],
    config: AdaptConfig,
    consent: str,
    parts: Iterable[str] = (),
    most: int = 60,
    out: str | Path | None = None,
    on_progress: Progress = no_progress,
) -> dict[str, dict[str, PersonScores]]:
    """Learn and measure every method on every clip.

    Args:
        pipe: Its networks stay as they are.
        clips: Videos of one person each.
        config: How to learn, and the share that is held out.
        consent: Must say :data:`mggtalk.config.CONSENT`; heads that are learned here are not kept.
        parts: Of :data:`ABLATIONS`, measured as well; ``all`` for all of them.
        most: Measured frames of a clip, at most.
        out: Folder for ``person.md`` and contact sheets; nothing is written without it.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Scores by clip and method. Clips that cannot be measured are named in the log.

    Raises:
        OptionError: If a part is not known, nothing is held out, or nobody agreed.
        MGGTalkError: If not one clip could be measured.
    """
    check_consent(consent)
    columns = choose_columns(parts)
    if not 0.0 < config.held_out <= 0.5:
        raise OptionError(f"The held-out share is {config.held_out:g}.", "Choose up to 0.5, such as 0.3.")
    perception = Perception(LPIPS("alex"), LPIPS("vgg"))
    scores: dict[str, dict[str, PersonScores]] = {}
    skipped: dict[str, MGGTalkError] = {}
    for path in clips:
        try:
            clip = open_clip(pipe, path, config.held_out, config.crop, on_progress=on_progress)
            sheet = None if out is None else Path(out) / "sheets" / f"{path.stem}.png"
            scores[path.name] = measure_clip(pipe, path, clip, config, columns, most, perception, sheet, on_progress)
        except MGGTalkError as error:
            logger.warning("%s is left out: %s", path.name, error)
            skipped[path.name] = error
        if out is not None and scores:
            Path(out).mkdir(parents=True, exist_ok=True)
            Path(out, "person.md").write_text(markdown(scores))
    if not scores:
        raise next(iter(skipped.values()), OptionError("There are no clips.", "Give a folder of videos."))
    return scores


def choose_columns(parts: Iterable[str]) -> dict[str, Change]:
    """The methods that learn, by the names of their columns.

    Raises:
        OptionError: If a part is not known.
    """
    wanted = list(ABLATIONS) if "all" in (named := list(parts)) else named
    unknown = sorted(set(wanted) - set(ABLATIONS))
    if unknown:
        raise OptionError(f"Unknown part {', '.join(unknown)}.", f"Choose from {', '.join(ABLATIONS)}, or all.")
    return METHODS | {TITLES.get(part, f"w/o {part}"): ABLATIONS[part] for part in wanted}


def measure_clip(  # noqa: PLR0913  one for each thing that a table row depends on
    pipe: MGGTalkPipeline,
    path: Path,
    clip: Clip,
    config: AdaptConfig,
    columns: dict[str, Change],
    most: int,
    perception: Perception,
    sheet: Path | None = None,
    on_progress: Progress = no_progress,
) -> dict[str, PersonScores]:
    """Learn all heads of one clip and measure them on what was held out; see :func:`evaluate_person`."""
    if clip.held_out is None:
        raise OptionError("Nothing of the clip could be held out.", "Use a longer one.")
    held = clip.held_out.some(most)
    portrait, avatar = choose_portrait(pipe, clip, config)
    avatars = {ONE_SHOT: put_together(pipe, clip.candidates[0].picture, None), BEST: avatar}
    minutes = dict.fromkeys(avatars, 0.0)
    _, before = look_behind(pipe, clip.learned, portrait, avatar)
    for name, change in columns.items():
        started = time.process_time()
        adapter, _ = learn_head(pipe, before, clip.learned, change(config), on_progress)
        minutes[name] = (time.process_time() - started) / 60.0
        avatars[name] = before.with_(adapter=adapter)
    voice = learn_voice(pipe, path, clip, avatar, on_progress)
    logger.info("%s: %s", path.name, voice.note)
    made = _draw(pipe, avatars, held)
    if voice.voice is not None:
        spoken = {
            name: say(pipe, path, clip, one, held, voice if name in columns else voice._replace(voice=None))
            for name, one in avatars.items()
            if name != ONE_SHOT
        }
        made.frames.update({name + BY_SOUND: _frames(pipe, avatars[name], spoken[name]) for name in spoken})
    if sheet is not None:
        chosen = np.linspace(0, len(held) - 1, min(MOMENTS, len(held))).astype(int)
        moments = [
            Moment(f"held-out frame {t}", held.frames[t], {name: frames[t] for name, frames in made.frames.items()})
            for t in chosen
        ]
        source = np.asarray(Image.fromarray(portrait.picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        save_sheet(source, moments, sheet)
    pictures, heads = _compare(pipe, held, made, perception)
    real = pipe.track_frames(list(held.frames), held.motion.fps)
    heard = {} if voice.voice is None else _hear(pipe, path, clip, avatar, voice)
    scores = {}
    for name in made.frames:
        learned, by_sound = name.removesuffix(BY_SOUND), name.endswith(BY_SOUND)
        driven = heard[learned in columns] if by_sound else (float("nan"),) * 2
        motion = _motion_scores(pipe, made.frames[name], real)
        times = minutes[learned], made.fps[learned]
        scores[name] = PersonScores(pictures.scores(name), heads.scores(name), *motion, *driven, *times)
    return scores


def _draw(pipe: MGGTalkPipeline, avatars: dict[str, Avatar], held: Footage) -> _Measured:
    """The measured frames of all methods, and how fast each makes them."""
    frames, fps = {}, {}
    for name, avatar in avatars.items():
        animator, motion = pipe.animator(avatar, SIDE), held.driving(avatar, pipe)
        frames[name] = _frames(pipe, avatar, motion)
        count = min(TIMED, len(motion))
        started = time.perf_counter()
        for index in range(count):
            animator.frame(motion[index])
        fps[name] = count / (time.perf_counter() - started)
    return _Measured(frames, fps)


def _frames(pipe: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> list[np.ndarray]:
    """Frames of a motion of this avatar."""
    animator = pipe.animator(avatar, SIDE)
    return [animator.frame(moment) for moment in motion]


def _hear(
    pipe: MGGTalkPipeline, path: Path, clip: Clip, avatar: Avatar, voice: Learned
) -> dict[bool, tuple[float, float]]:
    """Correlation and spread of the lips' gap in all held-out frames, with the average voice and the person's own."""
    assert clip.whole is not None
    held = slice(round(clip.seconds * clip.whole.fps), None)

    def gaps(expression: Tensor) -> np.ndarray:
        return lip_gaps(pipe.face_model, avatar.identity, expression[held])

    true = gaps(clip.whole_expression(avatar, pipe))
    scores = {}
    for own in (False, True):
        said = gaps(speak_all(pipe, path, clip, avatar, voice if own else voice._replace(voice=None)).expression)
        scores[own] = correlation(true, said), float(said.std() / max(true.std(), 1e-6))
    return scores


def _compare(
    pipe: MGGTalkPipeline, held: Footage, made: _Measured, perception: Perception
) -> tuple[Comparison, Comparison]:
    """All pictures against the real ones: as they are, and with the true torso and background."""
    pictures, heads = (Comparison(held.landmarks, perception, 1) for _ in range(2))
    for index, truth in enumerate(held.frames):
        frames = {name: ones[index] for name, ones in made.frames.items()}
        pictures.watch(truth, frames, index)
        matte = pipe.person_matte(truth, held.landmarks[index])
        head = head_masks(matte, held.landmarks[index]).head[..., None]  # [S, S, 1]
        pasted = {name: np.rint(head * frame + (1.0 - head) * truth).astype(np.uint8) for name, frame in frames.items()}
        heads.watch(truth, pasted, index)
    return pictures, heads


def _motion_scores(pipe: MGGTalkPipeline, frames: list[np.ndarray], real: Motion) -> tuple[float, float, float, float]:
    """LMD, lip correlation, and errors of the scores of the upper and the lower face."""
    try:
        seen = pipe.track_frames(frames, real.fps)
    except NoFaceError:
        return (float("nan"),) * 4
    assert seen.landmarks is not None and real.landmarks is not None
    points, wanted = (motion.landmarks.double().numpy() for motion in (seen, real))  # type: ignore[union-attr]
    error: Tensor = (pipe.face_model.to_blendshapes(seen.expression - real.expression)).square().mean(0)  # [52]
    upper, lower = (float(error[torch.tensor(part)].sum()) for part in (UPPER, LOWER))
    return metrics.lmd(points, wanted), metrics.lip_gap_correlation(points, wanted), upper, lower


HEADER = (
    "method", "face PSNR", "face LPIPS", "face VGG-LPIPS", "mouth PSNR", "mouth VGG-LPIPS", "head PSNR", "head SSIM",
    "head LPIPS", "head VGG-LPIPS", "LMD", "lips", "AUE upper", "AUE lower", "all lips", "spread", "CPU min", "FPS",
)  # fmt: skip


def markdown(scores: dict[str, dict[str, PersonScores]]) -> str:
    """A table for each clip, and one of the means over all of them."""
    tables = {name: {method: _cells(one) for method, one in rows.items()} for name, rows in scores.items()}
    if len(scores) > 1:
        methods = [name for name in next(iter(tables.values())) if all(name in rows for rows in tables.values())]
        tables["mean of all clips"] = {
            method: np.mean([rows[method] for rows in tables.values()], axis=0).tolist() for method in methods
        }
    lines = [
        "Held-out seconds, driven by their own expressions and poses, or by sound with their poses. Head: over the "
        "true torso and background. LMD, lips and AUE: tracked in the frames that are measured; all lips and spread: "
        "gap of the driven mesh in all held-out frames."
    ]
    for name, rows in tables.items():
        lines += ["", f"### {name}", "", f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|"]
        lines += [f"| {method} | {' | '.join(_number(value) for value in cells)} |" for method, cells in rows.items()]
    return "\n".join(lines) + "\n"


def _cells(one: PersonScores) -> list[float]:
    """Numbers in the order of :data:`HEADER`."""
    face, head = one.pictures, one.head
    own = [value for name, value in asdict(one).items() if name not in ("pictures", "head")]
    return [
        *(face.psnr_face, face.lpips_face, face.lpips_vgg_face, face.psnr_mouth, face.lpips_vgg_mouth),
        *(head.psnr, head.ssim, head.lpips, head.lpips_vgg),
        *own,
    ]


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if abs(value) >= 1.5 else f"{value:.4f}"
