"""A video that is made while it is read."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mggtalk.animate.animator import Animator
from mggtalk.media.sound import Sound
from mggtalk.media.writer import VideoWriter
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion


class InterruptedVideo(KeyboardInterrupt):
    """Ctrl-C while a video was written: the file has the frames that were done.

    Args:
        path: The file.
        frames: Done.
        total: Wanted.
    """

    def __init__(self, path: Path, frames: int, total: int) -> None:
        self.path, self.frames, self.total = path, frames, total
        super().__init__(f"the first {frames} of {total} frames are in {path}")


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

        Ctrl-C (in the main thread) keeps the frames that are done; a second one throws them away.

        Args:
            path: The ``.mp4`` to write; it appears when it is complete.
            sound: Replaces the video's own sound.
            no_badge: The statement :data:`~mggtalk.config.NO_BADGE_STATEMENT`, which leaves the visible badge out.

        Returns:
            The path.

        Raises:
            MediaError: If the file cannot be written; told before the first frame is rendered.
            OptionError: If the statement is another one.
            InterruptedVideo: After Ctrl-C, when the file is complete as far as it goes.
        """
        sound = sound or self.sound
        with VideoWriter(path, self.size, self.size, self.fps, sound=sound, no_badge=no_badge) as writer:  # noqa: SIM117
            with first_interrupt(lambda: writer.frames > 0) as interrupted:
                for frame in self:
                    writer.write(frame)
                    if interrupted.is_set():
                        break
                writer.finish()
        if interrupted.is_set() and writer.frames < len(self):
            raise InterruptedVideo(Path(path), writer.frames, len(self))
        return Path(path)


@contextmanager
def first_interrupt(worth_keeping: Callable[[], bool]) -> Iterator[threading.Event]:
    """A block in which the first Ctrl-C is a request, and the second a KeyboardInterrupt.

    Args:
        worth_keeping: Whether there is anything to be finished; else the first one interrupts as well.

    Yields:
        What the first Ctrl-C sets. Outside the main thread, where no signal arrives, nothing does.
    """
    asked = threading.Event()

    def ask(_number: int, _place: object) -> None:
        if asked.is_set() or not worth_keeping():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
