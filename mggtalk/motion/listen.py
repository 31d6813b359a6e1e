"""Speech to motion: phones and spectrum move the lips, a learned prior corrects them, chance and loudness do the rest.

English phones are decoded from any recording. Where the acoustic model fits badly - another language, noise, music -
they are trusted less, and the mouth follows loudness and spectral shape instead.
"""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import RenderConfig, SpeechConfig
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import rotation_to_euler
from mggtalk.media.sound import Sound
from mggtalk.motion.audio_prior import AudioPrior, Voice, blend
from mggtalk.motion.blinks import eyes_and_brows
from mggtalk.motion.features import FRAMES_PER_SECOND, SpeechFeatures, analyse
from mggtalk.motion.head_motion import head_motion
from mggtalk.motion.phones import SILENCE, Phone, PhoneTrack, decode_phones
from mggtalk.motion.speech_inputs import speech_inputs
from mggtalk.motion.visemes import (
    BILABIALS,
    LABIODENTALS,
    lip_contact,
    lip_moments,
    mouth_from_phones,
    mouth_from_spectrum,
    sample_mouth,
)
from mggtalk.scene import Motion
from mggtalk.talking_video import Progress, no_progress

logger = logging.getLogger(__name__)

GOOD_FIT = -0.9
"""Acoustic fit from which phones are fully trusted; clean English reaches it."""

BAD_FIT = -1.5
"""Fit at which they are trusted least."""

LEAST_TRUST = 0.3
"""Share of the phones in the lips at :data:`BAD_FIT`, and for other languages.

Even the nearest English sounds tell closed from open and round from wide: on tracked clips in other languages this
share predicts the lips better than loudness and spectrum alone.
"""

LOUDEST_CLOSURE = 0.8
"""Openness in the quietest frame of M, B, P, F or V above which the lips cannot have met."""

LEARNED_NOTE = "The lips follow the learned audio prior."
"""Says that a trained prior was at work."""

RULES_NOTE = "The lips follow rules alone: no trained audio prior is used."
"""Says that none was."""

NOTED_TRUST = 0.6
"""Below this the user is told."""


class SpeechCurves(NamedTuple):
    """Blendshape weights of a recording, and what they rest on."""

    weights: np.ndarray  # [T, 52] float32, relative to a face at rest
    features: SpeechFeatures
    phones: PhoneTrack | None  # None when nobody speaks
    trust: float  # share of the phones in the lips
    rules: np.ndarray  # [C, 52] float32, 100 frames a second: the mouth before closures are cut in, at full strength
    closed: np.ndarray  # [T] float32 in [0, 1]: how far lips meet each other or the teeth


def listen(
    sound: Sound,
    face_model: FaceModel,
    config: SpeechConfig | None = None,
    seed: int = 0,
    language: str | None = None,
    on_progress: Progress = no_progress,
    focal_ratio: float = RenderConfig.focal_ratio,
    prior: AudioPrior | None = None,
    source: Tensor | None = None,
    voice: Voice | None = None,
) -> Motion:
    """Turn speech into motion.

    Args:
        sound: Speech at 16 kHz.
        face_model: Takes blendshape weights to expression coefficients.
        config: Frame rate and strengths.
        seed: The same seed gives the same head motion, blinks and gaze.
        language: ``"en"`` trusts the decoded English phones fully, another code as little as is useful; None decides
            by how well the phones fit.
        on_progress: Called with stage, steps done and steps in all.
        focal_ratio: Of the camera that the poses refer to.
        prior: What was learned; without it, or untrained, the rules move the lips alone, and the notes say so.
        source: Expression at rest ``[K]`` of the portrait that is to speak, if it is known.
        voice: Of the speaker; the average one by default.

    Returns:
        ``round(seconds * fps)`` frames, at least one. Poses are around a head that looks straight ahead, to be used
        relative to the portrait's own; the first frame has that pose.

    Raises:
        MediaError: If the rate is not 16 kHz or there are no samples.
        OptionError: If language, frame rate or seed is not valid.
    """
    config = config or SpeechConfig()
    if seed < 0:
        raise OptionError(f"The seed is {seed}.", "Choose 0 or more.")
    curves = speech_to_blendshapes(sound, config, language, on_progress)
    frames = len(curves.weights)
    head_chance, eye_chance = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    rotation, translation = head_motion(curves.features, frames, config.fps, head_chance, config.head_motion)
    head_degrees = np.degrees(rotation_to_euler(rotation)[:, :2].numpy())  # [T, 2]
    eyes = eyes_and_brows(
        curves.features, frames, config.fps, eye_chance, config.blinks_per_minute, head_degrees
    )  # [T, 52]
    expression = face_model.from_blendshapes(torch.from_numpy(curves.weights).to(face_model.mean)).float().cpu()
    learned = prior is not None and not prior.untrained and curves.trust > 0.0  # music has no phones
    if prior is not None and learned:
        expression = _learned_lips(sound, curves, expression, prior, config, source, voice)
    expression = expression + face_model.from_blendshapes(torch.from_numpy(eyes).to(face_model.mean)).float().cpu()
    on_progress("listen", frames, frames)
    return Motion(
        expression=expression,
        rotation=rotation,
        translation=translation,
        fps=config.fps,
        face_model=face_model.version,
        focal_ratio=focal_ratio,
        notes=_notes(curves, language, learned),
    )


def speech_to_blendshapes(
    sound: Sound,
    config: SpeechConfig | None = None,
    language: str | None = None,
    on_progress: Progress = no_progress,
) -> SpeechCurves:
    """Mouth movements of a recording; eyes and brows are left at rest.

    Args:
        sound: Speech at 16 kHz.
        config: Frame rate and strength of the mouth.
        language: See :func:`listen`.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Weights for ``round(seconds * fps)`` frames, and what they were made from.

    Raises:
        MediaError: If the rate is not 16 kHz or there are no samples.
        OptionError: If language or frame rate is not valid.
    """
    config = config or SpeechConfig()
    _check(config, language)
    features = analyse(sound)
    frames = max(1, round(len(sound.samples) / sound.rate * config.fps))
    track, trust = None, 0.0
    phones: tuple[Phone, ...] = ()
    if features.active.any():
        track = decode_phones(sound, lambda done, total: on_progress("phones", done, total))
        trust = phone_trust(track.fit, language)
        phones = heard(track.phones, features)
    curves = rule_curves(features, phones, trust)
    weights = config.mouth * sample_mouth(curves, phones, frames, config.fps)
    closed = lip_contact(phones, lip_moments(frames, config.fps))
    return SpeechCurves(np.clip(weights, 0.0, 1.0), features, track, trust, curves, closed)


def rule_curves(features: SpeechFeatures, phones: tuple[Phone, ...], trust: float) -> np.ndarray:
    """Mouth curves from phones as far as they are trusted, and from the spectrum as far as they are not.

    Args:
        features: Of the recording.
        phones: What is said, see :func:`heard`.
        trust: See :func:`phone_trust`.

    Returns:
        ``[C, 52]`` float32, 100 frames a second.
    """
    curves = mouth_from_spectrum(features)  # [C, 52]
    return curves if trust == 0.0 else trust * mouth_from_phones(phones, features) + (1.0 - trust) * curves


def _learned_lips(
    sound: Sound,
    curves: SpeechCurves,
    rules: Tensor,
    prior: AudioPrior,
    config: SpeechConfig,
    source: Tensor | None,
    voice: Voice | None,
) -> Tensor:
    """Expressions of the rules ``[T, K]`` as the prior corrects them."""
    inputs = speech_inputs(sound, curves.features, curves.rules)
    residual = prior.listen(inputs, np.arange(len(rules)) / config.fps, source, voice)  # [T, K]
    return blend(rules, config.mouth * residual, torch.from_numpy(curves.closed), prior.config)


def phone_trust(fit: float, language: str | None = None) -> float:
    """Share of the phones in the lips.

    Args:
        fit: Of the acoustic model, see :class:`~mggtalk.motion.phones.PhoneTrack`.
        language: A code settles it.

    Returns:
        From :data:`LEAST_TRUST` to 1; 0 without any phones.
    """
    if not math.isfinite(fit):
        return 0.0
    if language is not None:
        return 1.0 if _is_english(language) else LEAST_TRUST
    return LEAST_TRUST + (1.0 - LEAST_TRUST) * min(max((fit - BAD_FIT) / (GOOD_FIT - BAD_FIT), 0.0), 1.0)


def heard(phones: tuple[Phone, ...], features: SpeechFeatures) -> tuple[Phone, ...]:
    """Leave out phones that contradict what is measured.

    More than half of a phone must lie in speech, and lips that meet cannot let through the mid frequencies of an open
    mouth.
    """
    kept = []
    for phone in phones:
        low = int(phone.start * FRAMES_PER_SECOND)
        high = max(low + 1, math.ceil(phone.end * FRAMES_PER_SECOND))
        spoken = features.active[low:high].sum() > 0.5 * (high - low)
        if phone.name == SILENCE or not spoken:
            continue
        if phone.name in BILABIALS | LABIODENTALS and features.openness[low:high].min() > LOUDEST_CLOSURE:
            continue
        kept.append(phone)
    return tuple(kept)


def _is_english(language: str) -> bool:
    """Whether a language code names English."""
    return language.lower().split("-")[0] == "en"


def _check(config: SpeechConfig, language: str | None) -> None:
    """Refuse values that make no sense."""
    if not 1.0 <= config.fps <= 120.0:
        raise OptionError(f"The frame rate of speech is {config.fps}.", "Choose 1 to 120 frames a second.")
    if language is not None and not (2 <= len(language) <= 8 and language.replace("-", "").isalpha()):
        raise OptionError(f"The language is {language!r}.", "Give a code such as 'en' or 'de', or leave it out.")


def _notes(curves: SpeechCurves, language: str | None, learned: bool) -> tuple[str, ...]:
    """What the user should know about the lips."""
    if not curves.features.active.any():
        return ("No speech was found in the recording; the mouth stays closed.",)
    return (LEARNED_NOTE,) if learned else (RULES_NOTE, *_rule_notes(curves, language))


def _rule_notes(curves: SpeechCurves, language: str | None) -> tuple[str, ...]:
    """What the user should know about the rules."""
    if curves.phones is None or curves.trust == 0.0:
        return ("No phones were found in the recording; the lips follow loudness and spectrum.",)
    if curves.trust >= NOTED_TRUST:
        return ()
    share = f"the lips follow loudness and spectrum by {round(100 * (1.0 - curves.trust))} %."
    if language is not None:
        return (f"Phones are only known for English, and the language is {language!r}: {share}",)
    score = f"score {curves.phones.fit:.2f}, clear English has {GOOD_FIT:g} or more"
    return (f"English phones fit this recording poorly ({score}): {share}",)
