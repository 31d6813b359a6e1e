"""From a clip to an adapter, and what it gains on seconds of the clip that it did not learn from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from mggtalk.avatar.adapter import Adapter
from mggtalk.avatar.adapter_file import AdapterFile, Facts, write_adapter
from mggtalk.avatar.avatar import Avatar
from mggtalk.config import check_consent, check_learning
from mggtalk.errors import NoFaceError, OptionError, WeightsMissingError
from mggtalk.evaluation.comparison import Comparison, Perception
from mggtalk.evaluation.scores import Scores
from mggtalk.face.crop import CropMode
from mggtalk.nets.perceptual import LPIPS
from mggtalk.person.background import see_background
from mggtalk.person.blendshapes.codes import CodeConfig, fresh_adapter
from mggtalk.person.blendshapes.learn import LearnConfig, Learner
from mggtalk.person.footage import SIDE, Candidate, Clip, Footage, open_clip
from mggtalk.person.lessons import never, perceptual_notes
from mggtalk.person.load import put_together, with_background
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.config import LearnConfig as FieldLearnConfig
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.person.talking_gaussian.field_file import round_field, write_field
from mggtalk.person.talking_gaussian.learn import Learner as FieldLearner
from mggtalk.person.talking_gaussian.learn import Stage
from mggtalk.person.talking_gaussian.start import fresh_field
from mggtalk.person.voice import Learned, learn_voice
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress

logger = logging.getLogger(__name__)

Method = Literal["talking-gaussian", "blendshapes"]
METHODS: tuple[Method, ...] = get_args(Method)
"""Ways to learn a person-specific head."""

WITHOUT, CHOSEN, WITH = "first frame", "chosen frame", "adapted"
"""Rows of the comparison on held-out seconds: the clip's first frame as a portrait, the chosen frame, the adapter."""

STAGES = ("adapt", *Stage)
"""Stages of progress in which something is learned that is worth keeping."""

TRIALS = 8
"""Frames by which candidates for the portrait are compared."""

MEASURED = 60
"""Held-out frames that are measured, at most."""


@dataclass(frozen=True)
class AdaptConfig:
    """Settings of adapting an avatar to a clip."""

    held_out: float = 0.0  # share of the clip, at its end, that is only measured
    crop: CropMode = "auto"  # of the clip, see open_clip
    portraits: int = 4  # frames that are tried as the portrait, at most
    method: Method = "talking-gaussian"
    codes: CodeConfig = field(default_factory=CodeConfig)  # of blendshapes, like the one that follows
    learn: LearnConfig = field(default_factory=LearnConfig)
    talking: FieldConfig = field(default_factory=FieldConfig)  # of talking-gaussian, like the one that follows
    learn_talking: FieldLearnConfig = field(default_factory=FieldLearnConfig)

    def lasting(self, minutes: float) -> AdaptConfig:
        """The same with another time to learn."""
        return replace(
            self,
            learn=replace(self.learn, minutes=minutes),
            learn_talking=replace(self.learn_talking, minutes=minutes),
        )

    @property
    def minutes(self) -> float:
        """Time to learn."""
        return self.learn.minutes if self.method == "blendshapes" else self.learn_talking.minutes


class Adaptation(NamedTuple):
    """Result."""

    file: AdapterFile  # to be written
    avatar: Avatar  # with the adapter
    losses: list[float]  # of every step
    clip: Clip
    voice: Learned  # how the person moves the lips, or why that is not known


def adapt(
    pipe: MGGTalkPipeline,
    path: str | Path,
    consent: str,
    config: AdaptConfig | None = None,
    face: int | None = None,
    on_progress: Progress = no_progress,
    stop: Callable[[], bool] = never,
    resume: Path | None = None,
) -> Adaptation:
    """Learn from a clip what its person looks like.

    ::

        clip ─► track ─► best frame ────► avatar ──────────────────────┐
                  ├────► blendshapes: typical expressions and poses ───┼─► zeros ─► learned against frames ─► file
                  │      talking-gaussian: persistent field, motion ───┘                                       ▲
                  └────► sound and lips ─► voice ──────────────────────────────────────────────────────────────┘

    Args:
        pipe: Its networks stay as they are.
        path: A video of one person, 10 to 120 seconds.
        consent: Must say :data:`mggtalk.avatar.adapter_file.CONSENT`.
        config: How.
        face: Which face of the first frame, from left to right; the largest by default.
        on_progress: Called with stage, steps done and steps in all, as far as known.
        stop: Asked before every step of learning; what was learned by then is kept.
        resume: File of a checkpoint of ``talking-gaussian``: learning goes on from it, and writes it on the way.

    Raises:
        OptionError: If nobody agreed, or a setting is not allowed.
        MediaError: If the clip cannot be read or shows too little.
        NoFaceError: If no frame shows a usable face.
    """
    config = config or AdaptConfig()
    said = check_consent(consent)
    check_config(config)
    clip = open_clip(pipe, path, config.held_out, config.crop, face, on_progress)
    facts = Facts(said, pipe.face_model.version, pipe.trained, clip.seconds, 0)
    portrait, avatar = choose_portrait(pipe, clip, config)
    background, avatar = look_behind(pipe, clip.learned, portrait, avatar)
    voice = learn_voice(pipe, path, clip, avatar, on_progress)
    adapter, losses = learn_head(pipe, avatar, clip.learned, config, on_progress, stop, resume)
    file = AdapterFile(adapter, portrait.picture, background, facts._replace(steps=len(losses)), voice.voice)
    own = None if voice.voice is None else voice.voice.voice
    how = config.learn if config.method == "blendshapes" else config.learn_talking
    clip = replace(clip, notes=(*clip.notes, *(perceptual_notes("alex", "vgg") if how.lpips else ())))
    return Adaptation(file, avatar.with_(adapter=adapter, voice=own), losses, clip, voice)


def learn_head(
    pipe: MGGTalkPipeline,
    avatar: Avatar,
    footage: Footage,
    config: AdaptConfig,
    on_progress: Progress = no_progress,
    stop: Callable[[], bool] = never,
    resume: Path | None = None,
) -> tuple[Adapter | TalkingGaussian, list[float]]:
    """Learn the head of one person by the method of a configuration: the adapter, and the loss of every step."""
    if config.method == "blendshapes":
        learner = Learner(pipe, avatar, footage, config.learn)
        start = fresh_adapter(avatar, pipe.face_model, learner.motion, config.codes)
        learned = learner.learn(start, on_progress, stop)
        return learned.adapter, learned.losses
    how = config.learn_talking
    field_learner = FieldLearner(pipe, avatar, footage, how)
    fresh = fresh_field(pipe, avatar, footage, field_learner.motion, config.talking, how.seed)
    head, losses = field_learner.learn(fresh, on_progress, stop, resume)
    return round_field(head), losses


def write_head(path: str | Path, content: AdapterFile) -> None:
    """Write what was learned, by whichever method."""
    write = write_adapter if isinstance(content.adapter, Adapter) else write_field
    write(path, content)


def choose_portrait(pipe: MGGTalkPipeline, clip: Clip, config: AdaptConfig) -> tuple[Candidate, Avatar]:
    """The candidate from which other frames are best told, and its avatar; a face that is hardly seen is none."""
    best: tuple[float, Candidate, Avatar] | None = None
    for candidate in clip.candidates[: config.portraits]:
        try:
            avatar = put_together(pipe, candidate.picture, None)
        except NoFaceError:
            continue
        error = Learner(pipe, avatar, clip.learned.some(TRIALS), config.learn).plain_loss()
        if best is None or error < best[0]:
            best = error, candidate, avatar
    if best is None:
        raise NoFaceError("No frame of the clip shows a face well enough.", "Give a clip with a larger, clearer face.")
    return best[1:]


def look_behind(
    pipe: MGGTalkPipeline, footage: Footage, portrait: Candidate, avatar: Avatar
) -> tuple[np.ndarray | None, Avatar]:
    """Find what frames show of the background that the portrait does not, and put the avatar before it.

    Args:
        pipe: Tells the person from the background.
        footage: The frames.
        portrait: The frame that the avatar is made of.
        avatar: Of that frame alone.

    Returns:
        The background as uint8 ``[S, S, 3]``, None where nothing more is seen; the avatar with it.
    """
    background = see_background(pipe, footage, portrait, avatar.plates.background)
    if background is None:
        return None, avatar
    return background, avatar.with_(plates=with_background(avatar.plates, background))


def is_learning(stage: str) -> bool:
    """Whether there is something to keep in a stage of progress."""
    return stage in STAGES


def check_config(config: AdaptConfig) -> None:
    """Refuse settings that make no sense.

    Raises:
        OptionError: If one is out of range.
    """
    if config.method not in METHODS:
        raise OptionError(f"The method is {config.method!r:.40}.", f"Choose {' or '.join(METHODS)}.")
    check_learning(config.minutes, config.held_out)


def measure(pipe: MGGTalkPipeline, adaptation: Adaptation, count: int = MEASURED) -> dict[str, Scores]:
    """Scores on the held-out seconds, by the definitions of ``mggtalk evaluate``.

    Args:
        pipe: Draws.
        adaptation: With frames that were held out.
        count: Frames that are measured, at most, evenly spread.

    Returns:
        Scores of :data:`WITHOUT`, :data:`CHOSEN` and :data:`WITH`.

    Raises:
        OptionError: If nothing was held out.
    """
    footage = held_out(adaptation, count)
    try:
        lpips: Perception | None = Perception(LPIPS("alex"))
    except WeightsMissingError:
        lpips = None
    comparison = Comparison(footage.landmarks, lpips)
    for index, frames in enumerate(made(pipe, adaptation, footage)):
        comparison.watch(footage.frames[index], frames, index)
    return {name: comparison.scores(name) for name in (WITHOUT, CHOSEN, WITH)}


def held_out(adaptation: Adaptation, count: int = MEASURED) -> Footage:
    """Held-out frames, evenly spread, ``count`` at most.

    Raises:
        OptionError: If nothing was held out.
    """
    footage = adaptation.clip.held_out
    if footage is None:
        raise OptionError("No frames were held out.", "Hold a share of the clip out, as in AdaptConfig(held_out=0.3).")
    return footage.some(count)


def made(pipe: MGGTalkPipeline, adaptation: Adaptation, footage: Footage) -> Iterator[dict[str, np.ndarray]]:
    """Frames of all that is compared, uint8 ``[SIDE, SIDE, 3]`` by name, for each frame of a footage."""
    first = put_together(pipe, adaptation.clip.candidates[0].picture, None)
    chosen = put_together(pipe, adaptation.file.portrait, None)
    avatars = {WITHOUT: first, CHOSEN: chosen, WITH: adaptation.avatar}
    animators = {name: pipe.animator(avatar, SIDE) for name, avatar in avatars.items()}
    motions = {name: footage.driving(avatar, pipe) for name, avatar in avatars.items()}
    for index in range(len(footage)):
        yield {name: animator.frame(motions[name][index]) for name, animator in animators.items()}
