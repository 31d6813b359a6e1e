"""The sound of a clip and every frame of its real face: what lips that a sound moves are measured against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from mggtalk.config import SpeechConfig
from mggtalk.evaluation.speech import AudioVisual, Lips, SpeechScore, judge_sync, score_lips
from mggtalk.media.sound import Sound
from mggtalk.motion.retarget import close_lips, retarget
from mggtalk.scene import Motion, select
from mggtalk.speech.audio_prior import AudioPrior
from mggtalk.speech.features import record
from mggtalk.speech.hearing import Speech, understand
from mggtalk.speech.listen import listen
from mggtalk.speech.speech_inputs import speech_inputs


class Listener(Protocol):
    """Pipeline that turns sound to motion: the part of :class:`mggtalk.pipeline.MGGTalkPipeline` that is used here."""

    face_model: Any

    def listen(self, speech: Path) -> Motion:
        """Motion of a recording, relative to a relaxed face."""


@dataclass(frozen=True)
class Spoken:
    """A clip that is heard, T frames."""

    path: Path
    real: Motion  # track of the clip, every frame
    sound: Sound
    speech: Speech  # what is said, as this project hears it, without an encoder

    def listen(self, method: Listener, avatar: Any) -> Motion:
        """Let a method move an avatar by the sound: T frames, at the clip's moments."""
        made = method.listen(self.path)
        moments = np.round(np.arange(len(self.real)) / self.real.fps * made.fps).astype(int).clip(max=len(made) - 1)
        return retarget(select(made, moments.tolist(), self.real.fps), avatar, "relative", method.face_model)

    def score(self, method: Listener, avatar: Any) -> SpeechScore:
        """Compare a method's lips with the real ones."""
        made = self._lips(method, avatar, self.listen(method, avatar))
        return score_lips(made, self._lips(method, avatar, self._seen(method, avatar)), self.speech, self.real.fps)

    def judge(self, method: Listener, avatar: Any, prior: AudioPrior | None) -> tuple[SpeechScore, AudioVisual]:
        """Measure the real lips themselves: whether they close, and whether they go with the sound.

        Args:
            method: Has the face model.
            avatar: Of the clip.
            prior: Makes the lips that the real ones are held against; the rules do without.
        """
        true = self._lips(method, avatar, self._seen(method, avatar))
        rest = close_lips(method.face_model, avatar.identity, avatar.expression)
        if prior is None:
            made = listen(self.sound, method.face_model, SpeechConfig(fps=self.real.fps)).expression[: len(self.real)]
            made = torch.cat([made, made[-1:].expand(len(self.real) - len(made), -1)])  # sound may end earlier
        else:  # as the filter has them: pauses that close for the viewer's sake would blur the offset
            inputs = speech_inputs(self.speech)
            open_gate = inputs._replace(gate=np.ones_like(inputs.gate))
            made = prior.listen(open_gate, np.arange(len(self.real)) / self.real.fps)
        judged = Lips.of(method.face_model, avatar.identity, made + rest, rest)
        return score_lips(true, true, self.speech, self.real.fps), judge_sync(true, judged)

    def _seen(self, method: Listener, avatar: Any) -> Motion:
        """The real motion with the avatar's identity."""
        return retarget(self.real, avatar, "absolute", method.face_model)

    def _lips(self, method: Listener, avatar: Any, motion: Motion) -> Lips:
        """Lips of a motion of this avatar."""
        rest = close_lips(method.face_model, avatar.identity, avatar.expression)
        return Lips.of(method.face_model, avatar.identity, motion.expression, rest)


def hear_clip(path: Path, sound: Sound, real: Motion) -> Spoken:
    """Understand the sound of a clip whose real face was tracked."""
    return Spoken(path, real, sound, understand(record(sound)))
