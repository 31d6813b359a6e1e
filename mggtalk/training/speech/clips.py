"""Clips in which somebody is heard and seen to speak: sound, rules and the true lips, frame by frame."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import TrackerConfig
from mggtalk.errors import MGGTalkError
from mggtalk.face import topology
from mggtalk.face.face_model import FaceModel
from mggtalk.face.tracker import FaceTracker
from mggtalk.media import load_sound, open_video
from mggtalk.media.clips import SPEECH, Clip
from mggtalk.media.sound import Sound
from mggtalk.motion.driver import fit_motion
from mggtalk.motion.retarget import close_lips
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.speech.audio_prior import CHIN
from mggtalk.speech.features import record
from mggtalk.speech.hearing import closing_share, heard, rule_curves, speech_of, understand
from mggtalk.speech.phones import Phone, recognise
from mggtalk.speech.speech_encoder import Ears
from mggtalk.speech.speech_inputs import SpeechInputs, speech_inputs
from mggtalk.speech.visemes import LEAD, lip_contact, mouth_at
from mggtalk.training.data.preprocess import load_track
from mggtalk.training.speech.augment import Variant

logger = logging.getLogger(__name__)

MOUTH = tuple(sorted({*topology.LIPS, *CHIN}))
"""Vertices whose place is compared."""

SOURCES = 12
"""Frames of a clip that serve as the portrait's expression."""


@dataclass(frozen=True)
class Heard:
    """One recording of a clip, or a variant of it."""

    inputs: SpeechInputs  # of the sound
    rules: Tensor  # [T, K] the rules' expression relative to rest, at the frames of the video
    closed: Tensor  # [T] how far the rules close the lips
    speed: float  # of the sound against the clip's own


@dataclass(frozen=True)
class SpeechClip:
    """One clip. T counts its frames."""

    name: str
    speaker: str
    fps: float
    expression: Tensor  # [T, K] the true one
    identity: Tensor  # [I]
    rotation: Tensor  # [T, 3, 3]
    translation: Tensor  # [T, 3]
    rest: Tensor  # [K] the relaxed face with closed lips
    sources: Tensor  # [n, K] expressions of single frames with their lips closed, as of a portrait
    sound: Sound
    phones: tuple[Phone, ...]  # of its own sound
    trust: float  # in them
    heard: tuple[Heard, ...]  # the sound itself, then variants
    lag: float = 0.0  # frames by which the sound is late

    def moments(self, speed: float = 1.0) -> np.ndarray:
        """Moments of a sound played at some speed that belong to the frames, ``[T]`` seconds."""
        return (np.arange(len(self.expression)) + self.lag) / self.fps / speed


def read_clips(
    clips: Iterable[Clip],
    face_model: FaceModel,
    focal_ratio: float,
    tracks: str | Path | None = None,
    on_progress: Progress = no_progress,
) -> tuple[list[SpeechClip], dict[str, str]]:
    """Read what is heard and seen in clips.

    Args:
        clips: Videos with sound.
        face_model: Of the expressions.
        focal_ratio: Of the camera.
        tracks: Folder with ``<stem>.npz`` of known tracks; what it lacks is tracked here.
        on_progress: Called with ``"read"``, clips done and clips in all.

    Returns:
        The clips, and the reasons why others were left out.
    """
    listed = list(clips)
    read: list[SpeechClip] = []
    left_out: dict[str, str] = {}
    for index, clip in enumerate(listed):
        on_progress("read", index, len(listed))
        name = clip.path.name
        if clip.speech is not None and clip.speech < SPEECH:
            left_out[name] = f"little speech ({clip.speech:g} of the time)"
            continue
        try:
            read.append(read_clip(clip, face_model, focal_ratio, tracks))
        except MGGTalkError as error:
            left_out[name] = str(error)
    on_progress("read", len(listed), len(listed))
    return read, left_out


def read_clip(clip: Clip, face_model: FaceModel, focal_ratio: float, tracks: str | Path | None = None) -> SpeechClip:
    """Read one clip; see :func:`read_clips`.

    Raises:
        MGGTalkError: If it has no sound, no speech or no face.
    """
    sound = load_sound(clip.path)
    known = None if tracks is None else Path(tracks) / f"{clip.path.stem}.npz"
    if known is not None and known.is_file():
        track = load_track(known)
    else:
        with open_video(clip.path) as video:
            track = FaceTracker(TrackerConfig()).video(video, video.fps)
    motion, fit = fit_motion(face_model, track, focal_ratio)
    assert motion.rest is not None
    speech = understand(record(sound))
    chosen = torch.linspace(0, len(motion) - 1, SOURCES).round().long()
    return SpeechClip(
        name=clip.path.name,
        speaker=clip.identity,
        fps=track.fps,
        expression=fit.expression,
        identity=fit.identity,
        rotation=fit.rotation,
        translation=fit.translation,
        rest=motion.rest,
        sources=torch.stack([close_lips(face_model, fit.identity, fit.expression[index]) for index in chosen]),
        sound=sound,
        phones=() if speech.track is None else speech.track.phones,
        trust=speech.trust,
        heard=(),
    )


def hear(clip: SpeechClip, variants: Iterable[Variant], face_model: FaceModel, ears: Ears | None = None) -> SpeechClip:
    """A clip with the inputs and rules of its own sound and of variants, for the clip's present lag.

    The phones of a variant are those of the sound itself, at its speed. ``ears`` belong to a prior with an encoder.
    """
    sounds = [Variant(clip.sound, 1.0), *variants]
    return replace(clip, heard=tuple(_hear(clip, sound, speed, face_model, ears) for sound, speed in sounds))


def _hear(clip: SpeechClip, sound: Sound, speed: float, face_model: FaceModel, ears: Ears | None) -> Heard:
    """One recording of a clip."""
    recording = record(sound, ears)
    phones = tuple(Phone(name, start / speed, end / speed) for name, start, end in clip.phones)
    _, likely = recognise(recording.cepstra)
    speech = speech_of(recording, likely, heard(phones, recording.features, closing_share(likely)), clip.trust)
    rules = rule_curves(speech)  # [C, 52]
    moments = clip.moments(speed) + LEAD
    weights = mouth_at(rules, speech.said, moments, clip.fps)  # [T, 52]
    return Heard(
        inputs=speech_inputs(speech),
        rules=face_model.from_blendshapes(torch.from_numpy(weights)),
        closed=torch.from_numpy(lip_contact(speech.said, moments)),
        speed=speed,
    )
