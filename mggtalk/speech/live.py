"""Speech that is heard while it is spoken: its sound comes in pieces, and the lips follow within half a second."""

from __future__ import annotations

import math
import threading

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import SpeechConfig
from mggtalk.errors import MediaError
from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound
from mggtalk.scene import Motion
from mggtalk.speech.features import RATE, record
from mggtalk.speech.hearing import understand
from mggtalk.speech.listen import NOBODY, Speaker, lips, listen

KEPT_SECONDS = 4.0
"""Of the sound that is understood each time: what was said before helps to understand what comes."""

AHEAD_SECONDS = 0.35
"""How far the lips lag behind the newest sound: a closure is known only when what follows is heard."""

EVERY_SECONDS = 0.16
"""New sound after which it is understood anew."""

REFERENCE_SECONDS = 1.0
"""Length of the loudest speech so far, which tells later noise from speech."""

FAINT = 10.0 ** (-50.0 / 20.0)
"""Root mean square below which a second of sound is the noise of a microphone (full scale is 1)."""

IDLE_SECONDS = 60
"""Length of the motion of a head that waits."""


def idle_motion(face_model: FaceModel, config: SpeechConfig, seed: int, focal_ratio: float) -> Motion:
    """How head and eyes move while nobody speaks; as of :func:`mggtalk.speech.listen.listen`."""
    silence = Sound(np.zeros(IDLE_SECONDS * RATE, np.float32), RATE)
    return listen(silence, face_model, config, seed, focal_ratio=focal_ratio)


class LiveSpeech:
    """Turns a microphone's sound into expressions of the lips. Threads may share it.

    Args:
        face_model: Takes blendshape weights to expression coefficients.
        config: Frame rate and strength of the mouth.
        speaker: As for :func:`mggtalk.speech.listen.listen`, its prior is trained and hears phones.
        language: As for :func:`mggtalk.speech.listen.listen`.
    """

    def __init__(
        self,
        face_model: FaceModel,
        config: SpeechConfig,
        speaker: Speaker = NOBODY,
        language: str | None = None,
    ) -> None:
        self._face_model, self._config, self._speaker = face_model, config, speaker
        self._language = language
        self._lock, self._understanding = threading.Lock(), threading.Lock()
        self._kept = np.zeros(round(KEPT_SECONDS * RATE), np.float32)  # the last samples
        self._end = 0  # samples heard so far
        self._reference = np.zeros(0, np.float32)
        self._level = FAINT  # root mean square of the reference
        self._understood = -math.inf  # the end when it was understood last
        self._lips = torch.zeros(1, face_model.expression_basis.shape[0])  # [t, K], from self._first on
        self._first = 0.0  # moment of the first of them, seconds

    @property
    def seconds(self) -> float:
        """How much has been heard."""
        return self._end / RATE

    def hear(self, samples: np.ndarray, first: int) -> None:
        """Take a piece of the sound. Pieces may come late or in another order; what is missing is silence.

        Args:
            samples: float ``[n]`` in [-1, 1], 16 kHz.
            first: Number of its first sample, counted from the beginning.

        Raises:
            MediaError: If it cannot be a piece of this sound.
        """
        size = len(self._kept)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise MediaError(f"The piece of sound has the shape {samples.shape}.", "Send finite samples [n].")
        if first < 0 or len(samples) > size or first > self._end + 60 * RATE:
            problem = f"The piece of sound has {len(samples)} samples from {first} on, after {self._end}."
            raise MediaError(problem, f"Send {size} samples at most, each piece after the last.")
        with self._lock:
            end = max(self._end, first + len(samples))
            if end > self._end:
                new = min(end - self._end, size)
                self._kept = np.concatenate([self._kept[new:], np.zeros(new, np.float32)])
                self._end = end
            place = size - (end - first)  # in what is kept
            if place + len(samples) > 0:
                self._kept[max(place, 0) : place + len(samples)] = np.clip(samples[max(-place, 0) :], -1.0, 1.0)

    def expression(self) -> Tensor:
        """The lips :data:`AHEAD_SECONDS` behind the newest sound: ``[K]`` relative to rest."""
        with self._understanding:
            with self._lock:
                kept, end = self._kept.copy(), self._end
            if end - self._understood >= EVERY_SECONDS * RATE:
                self._understand(kept, end)
            place = (end / RATE - AHEAD_SECONDS - self._first) * self._config.fps
            low = min(max(math.floor(place), 0), len(self._lips) - 1)
            high, share = min(low + 1, len(self._lips) - 1), min(max(place - low, 0.0), 1.0)
            return torch.lerp(self._lips[low], self._lips[high], share)

    def _understand(self, kept: np.ndarray, end: int) -> None:
        """Find the lips of the moments that are asked for next."""
        self._understood = end
        self._first = end / RATE - AHEAD_SECONDS
        count = math.ceil((EVERY_SECONDS + 0.1) * self._config.fps) + 1
        self._listen_for_reference(kept)
        if not len(self._reference):
            self._lips = self._lips.new_zeros(count, self._lips.shape[1])  # nobody has spoken yet
            return
        heard = min(end, len(kept))
        sound = np.concatenate([self._reference, kept[len(kept) - heard :]])  # [n]
        with torch.inference_mode():
            speech = understand(record(Sound(sound, RATE)), self._language)
            moment = (len(sound) / RATE - AHEAD_SECONDS) * self._config.fps  # frames
            low = max(math.floor(moment), 0)
            frames = max(1, round(speech.seconds * self._config.fps))
            high = min(low + count, frames)
            speaker = self._speaker if speech.trust > 0.0 else NOBODY  # music has no phones
            self._lips = lips(speech, low, high, self._face_model, self._config, speaker)  # [t, K]
        self._first -= (moment - low) / self._config.fps

    def _listen_for_reference(self, kept: np.ndarray) -> None:
        """Keep the loudest speech so far."""
        latest = kept[-round(REFERENCE_SECONDS * RATE) :]
        level = float(np.sqrt(np.square(latest).mean()))
        if level > self._level:
            self._reference, self._level = latest.copy(), level
