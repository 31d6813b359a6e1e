"""An avatar that says what a microphone hears."""

from __future__ import annotations

import numpy as np

from mggtalk.animate.animator import Animator
from mggtalk.animate.live_picture import LivePicture
from mggtalk.scene import Motion, MotionFrame
from mggtalk.speech.live import LiveSpeech


class LiveSpeaker:
    """Moves an avatar's lips by sound that comes in pieces; head and eyes move by themselves. Threads may share it.

    Args:
        animator: Of the avatar, at the size that is wanted.
        speech: Hears.
        idle: How the avatar moves while nobody speaks, for its face and pose; it is played to and fro.

    Example:
        >>> live = pipe.live_speech(avatar)
        >>> live.hear(samples, first)
        >>> picture = live.draw(live.follow())
    """

    calibrated = True
    """It needs to know nothing of who speaks."""

    def __init__(self, animator: Animator, speech: LiveSpeech, idle: Motion) -> None:
        self._speech, self._idle = speech, idle
        self._picture = LivePicture(animator, idle[0])
        self._origin: int | None = None  # number of the first sample that was heard

    def hear(self, samples: np.ndarray, first: int) -> None:
        """Take a piece of the sound; see :meth:`mggtalk.speech.live.LiveSpeech.hear`.

        The microphone may have been on before: its numbers count from the first piece that comes, and a piece from
        before that is not needed.
        """
        if self._origin is None:
            self._origin = first
        if first >= self._origin:
            self._speech.hear(samples, first - self._origin)

    def follow(self) -> MotionFrame:
        """Find what the avatar should show for what has been heard."""
        last = len(self._idle) - 1
        moment = int(self._speech.seconds * self._idle.fps) % max(2 * last, 1)
        frame = self._idle[min(moment, 2 * last - moment)]
        return frame._replace(expression=frame.expression + self._speech.expression())

    def draw(self, motion: MotionFrame | None) -> np.ndarray:
        """Draw what :meth:`follow` found: uint8 ``[size, size, 3]``, without a mark."""
        return self._picture.draw(motion)

    def reset(self) -> None:
        """There is nothing to forget: the level of the speech is told from what comes."""
