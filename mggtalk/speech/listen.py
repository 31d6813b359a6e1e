"""Speech to motion: phones and spectrum move the lips, a learned prior corrects them, chance and loudness do the rest.

English phones are decoded from any recording. Where the acoustic model fits badly - another language, noise, music -
they are trusted less, and the mouth follows loudness and spectral shape instead.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import MOST_ENERGY, RenderConfig, SpeechConfig
from mggtalk.errors import OptionError
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion
from mggtalk.speech.attend import attend
from mggtalk.speech.audio_prior import AudioPrior, Voice, blend
from mggtalk.speech.contact import meet_lips
from mggtalk.speech.features import FRAMES_PER_SECOND, Recording, record
from mggtalk.speech.hearing import GOOD_FIT, MARGIN, Speech, rule_curves, understand
from mggtalk.speech.life import live
from mggtalk.speech.speech_inputs import breaths, speech_inputs
from mggtalk.speech.visemes import BILABIALS, LEAD, closures, keep_rounding, lip_contact, mouth_at

BLOCK_SECONDS = 60
"""Seconds of speech whose curves are in memory at a time."""

LEARNED_NOTE = "The lips follow the learned audio prior."
"""Says that a trained prior was at work."""

RULES_NOTE = "The lips follow rules alone: no trained audio prior is used."
"""Says that none was."""

BREATH_WEIGHT = 0.1
"""Of ``jawOpen`` at the height of a breath."""

NOTED_TRUST = 0.6
"""Below this the user is told."""

LEAST_MUSIC = 0.5
"""Seconds of music from which on the user is told."""


class Speaker(NamedTuple):
    """A speaker, as far as one is known."""

    prior: AudioPrior | None = None  # what was learned; without it, or untrained, the rules move the lips alone
    voice: Voice | None = None  # how the speaker moves the lips; the average one by default


NOBODY = Speaker()
"""The rules, for any portrait."""


class SpeechCurves(NamedTuple):
    """Blendshape weights of a recording, or of a part of one, and what they rest on."""

    weights: np.ndarray  # [T, 52] float32, relative to a face at rest
    speech: Speech
    closed: np.ndarray  # [T] float32 in [0, 1]: how far lips meet each other or the teeth
    met: np.ndarray  # [T] float32 in [0, 1]: how far they meet each other


def listen(
    sound: Sound | Recording,
    face_model: FaceModel,
    config: SpeechConfig | None = None,
    seed: int = 0,
    language: str | None = None,
    on_progress: Progress = no_progress,
    focal_ratio: float = RenderConfig.focal_ratio,
    speaker: Speaker = NOBODY,
) -> Motion:
    """Turn speech into motion.

    Args:
        sound: Speech at 16 kHz, or what :func:`mggtalk.speech.features.measure` kept of it, with the prior's ears.
        face_model: Takes blendshape weights to expression coefficients.
        config: Frame rate and strengths.
        seed: The same seed gives the same head motion, blinks and gaze.
        language: ``"en"`` trusts the decoded English phones fully, another code as little as is useful; None decides
            by how well the phones fit.
        on_progress: Called with stage, steps done and steps in all.
        focal_ratio: Of the camera that the poses refer to.
        speaker: Where the rules alone move the lips, the notes say so.

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
    _check(config, language)
    prior = None if speaker.prior is None or speaker.prior.untrained or config.listener else speaker.prior
    recording = sound if isinstance(sound, Recording) else record(sound, None if prior is None else prior.ears())
    if config.listener:
        return attend(recording, face_model, config, seed, focal_ratio)
    speech = understand(recording, language, on_progress)
    del sound, recording  # its cepstra have been read: 20 MB an hour
    frames = max(1, round(speech.seconds * config.fps))
    life = live(speech.features, frames, config, seed)
    learned = prior if speech.trust > 0.0 else None  # music has no phones
    speaker = speaker._replace(prior=learned)
    expression = torch.empty(frames, face_model.expression_basis.shape[0])  # [T, K]
    block = math.ceil(BLOCK_SECONDS * config.fps)
    for low in range(0, frames, block):
        high = min(low + block, frames)
        above = (
            face_model.from_blendshapes(torch.from_numpy(life.weights(low, high)).to(face_model.mean)).float().cpu()
        )  # [t, K]
        expression[low:high] = above + lips(speech, low, high, face_model, config, speaker)
        on_progress("listen", high, frames)
    return life.motion(expression, face_model, config, focal_ratio, _notes(speech, language, learned))


def lips(
    speech: Speech,
    low: int,
    high: int,
    face_model: FaceModel,
    config: SpeechConfig,
    speaker: Speaker = NOBODY,
) -> Tensor:
    """Expressions of the lips in some frames of a video. Only what is near is looked at, and parts fit together.

    Args:
        speech: The whole recording.
        low: First frame.
        high: Behind the last frame.
        face_model: Takes blendshape weights to expression coefficients.
        config: Frame rate and strength of the mouth.
        speaker: Who speaks; the prior is trained, if there is one.

    Returns:
        ``[t, K]`` relative to rest.
    """
    frames, around = max(1, round(speech.seconds * config.fps)), math.ceil(config.fps)
    first, last = max(0, low - around), min(frames, high + around)  # neighbours compete for the moment of a closure
    start = max(0, math.floor(first / config.fps - MARGIN))
    end = min(math.ceil(last / config.fps + MARGIN), speech.seconds)
    curves = mouth_curves(speech.part(start, end), np.arange(first, last) / config.fps - start, config)
    inside = slice(low - first, high - first)
    weights = curves.weights[inside]  # [t, 52]

    def expression(weights: np.ndarray) -> Tensor:
        return face_model.from_blendshapes(torch.from_numpy(weights).to(face_model.mean)).float().cpu()

    moments = np.arange(low, high) / config.fps - start  # [t]
    made, prior = expression(weights), speaker.prior
    if prior is not None:
        learned = config.energy * config.mouth * prior.listen(speech_inputs(curves.speech), moments, speaker.voice)
        made = blend(made, learned, torch.from_numpy(curves.closed[inside]), prior.config)
        if speaker.voice is None:  # one that was learned has a rounding of its own
            made = made + prior.config.rounding * expression(keep_rounding(weights))
    made = meet_lips(face_model, made, torch.from_numpy(curves.met[inside]))
    return made + expression(_breathe(curves.speech, moments))


def _breathe(speech: Speech, moments: np.ndarray) -> np.ndarray:
    """Blendshape weights ``[t, 52]`` float32 of the breaths at some moments, seconds."""
    weights = np.zeros((len(moments), len(NAMES)), np.float32)
    weights[:, INDEX["jawOpen"]] = BREATH_WEIGHT * breaths(speech.features.active, moments)
    return weights


def mouth_curves(speech: Speech, moments: np.ndarray, config: SpeechConfig) -> SpeechCurves:
    """Apply the rules to speech at some moments ``[T]``, seconds; eyes and brows are left at rest."""
    rules = rule_curves(speech)  # [C, 52]
    weights = config.energy * config.mouth * mouth_at(rules, speech.said, moments + LEAD, config.fps)  # [T, 52]
    met = closures(speech.said, BILABIALS, moments + LEAD)
    return SpeechCurves(np.clip(weights, 0.0, 1.0), speech, lip_contact(speech.said, moments + LEAD), met)


def _check(config: SpeechConfig, language: str | None) -> None:
    """Refuse values that make no sense."""
    if not 0.0 <= config.energy <= MOST_ENERGY:
        raise OptionError(f"The energy is {config.energy:g}.", f"Choose 0 to {MOST_ENERGY:g}; 1 is natural.")
    if not 1.0 <= config.fps <= 120.0:
        raise OptionError(f"The frame rate of speech is {config.fps}.", "Choose 1 to 120 frames a second.")
    if language is not None and not (2 <= len(language) <= 8 and language.replace("-", "").isalpha()):
        raise OptionError(f"The language is {language!r}.", "Give a code such as 'en' or 'de', or leave it out.")


def _notes(speech: Speech, language: str | None, learned: AudioPrior | None) -> tuple[str, ...]:
    """Note for the user about the lips."""
    music = float(speech.features.music.sum()) / FRAMES_PER_SECOND
    of_music = (f"{music:.1f} s of the recording are music or noise, not a voice; the mouth stays closed there.",)
    silent = of_music if music >= LEAST_MUSIC else ()
    if not speech.features.active.any():
        return silent or ("No speech was found in the recording; the mouth stays closed.",)
    if learned is None:
        return (RULES_NOTE, *_rule_notes(speech, language), *silent)
    encoder = Path(learned.config.encoder).name
    return (f"{LEARNED_NOTE} It hears with {encoder}." if encoder else LEARNED_NOTE, *silent)


def _rule_notes(speech: Speech, language: str | None) -> tuple[str, ...]:
    """Note for the user about the rules."""
    if speech.track is None or speech.trust == 0.0:
        return ("No phones were found in the recording; the lips follow loudness and spectrum.",)
    if speech.trust >= NOTED_TRUST:
        return ()
    share = f"the lips follow loudness and spectrum by {round(100 * (1.0 - speech.trust))} %."
    if language is not None:
        return (f"Phones are only known for English, and the language is {language!r}: {share}",)
    score = f"score {speech.track.fit:.2f}, clear English has {GOOD_FIT:g} or more"
    return (f"English phones fit this recording poorly ({score}): {share}",)
