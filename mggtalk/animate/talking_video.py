"""A video that is made while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mggtalk.animate.animator import Animator
from mggtalk.media.sound import Sound
from mggtalk.media.writer import VideoWriter
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion


@dataclass(frozen=True)
class TalkingVideo:
    """Frames of an avatar in motion; each pass over it renders them anew, a few ahead of what is read."""

    animator: Animator
    motion: Motion
    sound: str | Path | Sound | None = None  # what is heard with it
    on_progress: Progress = no_progress

    def __len__(self) -> int:
        return len(self.motion)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames, uint8 ``[size, size, 3]``."""
        for index, frame in enumerate(self.animator.frames(self.motion)):
            yield frame
            self.on_progress("render", index + 1, len(self.motion))

    @property
    def size(self) -> int:
        """Side of a frame in pixels."""
        return self.animator.size

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.motion.fps

    def save(self, path: str | Path, sound: str | Path | Sound | None = None, no_badge: str | None = None) -> Path:
        """Write an H.264 video with sound, marked as AI-made: the frames that this object yields are not.

        Args:
            path: The ``.mp4`` to write; it appears when it is complete.
            sound: Replaces the video's own sound.
            no_badge: The statement :data:`~mggtalk.config.NO_BADGE_STATEMENT`, which leaves the visible badge out.

        Returns:
            The path.

        Raises:
            MediaError: If the file cannot be written; told before the first frame is rendered.
            OptionError: If the statement is another one.
        """
        sound = sound or self.sound
        with VideoWriter(path, self.size, self.size, self.fps, sound=sound, no_badge=no_badge) as writer:
            for frame in self:
                writer.write(frame)
        return Path(path)
