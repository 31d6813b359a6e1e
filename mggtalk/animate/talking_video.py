"""A video that is made while it is read."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from mggtalk.animate.animator import Animator
from mggtalk.animate.cutout import place_before, straighten_frame
from mggtalk.config import MediaConfig
from mggtalk.media.backdrop import read_backdrop
from mggtalk.media.sound import Sound
from mggtalk.media.writers import check_length, open_writer
from mggtalk.runtime.overlap import map_in_order
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion, MotionFrame


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
        """Frames, uint8 ``[size, size, 3]``, or ``[size, size, 4]`` with straight alpha where nothing is behind."""
        frames = self.animator.frames(self.motion)
        if self.transparent:
            frames = map_in_order(straighten_frame, frames, self.animator.workers)
        for index, frame in enumerate(frames):
            yield frame
            self.on_progress("render", index + 1, len(self.motion))

    def frame(self, frame: MotionFrame) -> np.ndarray:
        """One frame of a pose and expression, as :meth:`__iter__` gives it."""
        picture = self.animator.frame(frame)
        return straighten_frame(picture) if self.transparent else picture

    @property
    def size(self) -> int:
        """Side of a frame in pixels."""
        return self.animator.size

    @property
    def transparent(self) -> bool:
        """Whether frames have an alpha channel."""
        return self.animator.coverage is not None

    def with_background(
        self, background: str | Path | Image.Image | np.ndarray, config: MediaConfig | None = None
    ) -> TalkingVideo:
        """Return the same video before another background.

        Args:
            background: ``"none"`` for a transparent one, ``"#rrggbb"``, a picture's file, or a picture.
            config: Limits of what is read.

        Raises:
            OptionError: If it is no colour and no file.
            MediaError: If the picture cannot be read.
        """
        return replace(self, animator=place_before(self.animator, read_backdrop(background, config)))

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.motion.fps

    def save(self, path: str | Path, sound: str | Path | Sound | None = None, no_badge: str | None = None) -> Path:
        """Write the video with its sound, marked as AI-made: the frames that this object yields are not.

        Ctrl-C (in the main thread) keeps the frames that are done; a second one throws them away.

        Args:
            path: The file to write; it appears when it is complete. Its ending says of which kind it is, see
                :mod:`mggtalk.media.writers`; without a background one that holds transparency is needed.
            sound: Replaces the video's own sound.
            no_badge: The statement :data:`~mggtalk.config.NO_BADGE_STATEMENT`, which leaves the visible badge out.

        Returns:
            The path; of numbered pictures that of the first.

        Raises:
            MediaError: If the file cannot be written; told before the first frame is rendered.
            OptionError: If the statement is another one, or the file cannot hold what the video has.
            InterruptedVideo: After Ctrl-C, when the file is complete as far as it goes.
        """
        return save_film(self, path, self.size, self.size, sound or self.sound, no_badge)


class Film(Protocol):
    """Frames that can be written."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def transparent(self) -> bool:
        """Whether frames have an alpha channel."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames, uint8 ``[H, W, 3 or 4]``."""


def save_film(
    film: Film, path: str | Path, width: int, height: int, sound: str | Path | Sound | None, no_badge: str | None
) -> Path:
    """Write a film, see :meth:`TalkingVideo.save`."""
    check_length(path, len(film), width, height)
    with open_writer(path, width, height, film.fps, sound, no_badge, film.transparent) as writer:  # noqa: SIM117
        with first_interrupt(lambda: writer.frames > 0) as interrupted:
            for frame in film:
                writer.write(frame)
                if interrupted.is_set():
                    break
            written = writer.finish()
    if interrupted.is_set() and writer.frames < len(film):
        raise InterruptedVideo(written, writer.frames, len(film))
    return written


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
