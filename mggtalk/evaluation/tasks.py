"""What is asked of a method: a portrait, a motion that drives it, and what the real video shows at those moments.

==============  ===========================  =======================  =====================================
mode            portrait                     expression from          pose from
==============  ===========================  =======================  =====================================
``self``        the clip's first frame       the clip's frames        the clip's frames
``cross``       another person's first       the clip's frames        rotation of the clip's frames, their
                frame                                                 shifts from the portrait's place
``audio``       the clip's first frame       the clip's sound         the clip's frames
``fixed-pose``  the clip's first frame       the clip's sound         the portrait
==============  ===========================  =======================  =====================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from mggtalk.errors import MediaError
from mggtalk.evaluation.frames import FrameStore, first_frame, resized, square_frames
from mggtalk.media import load_sound
from mggtalk.media.clips import SPEECH, Clip
from mggtalk.media.sound import check_speech
from mggtalk.motion.retarget import retarget
from mggtalk.scene import Motion, select

Mode = Literal["self", "cross", "audio", "fixed-pose"]

MODES: tuple[Mode, ...] = ("self", "cross", "audio", "fixed-pose")


class Reenactor(Protocol):
    """What is evaluated: the part of :class:`mggtalk.pipeline.MGGTalkPipeline` that the protocol uses."""

    face_model: Any

    def prepare(self, portrait: np.ndarray, crop: Any) -> Any:
        """Avatar of a square portrait, uint8 ``[H, H, 3]``, with ``crop="none"``."""

    def track_frames(self, frames: Iterable[np.ndarray], fps: float) -> Motion:
        """Motion with landmarks of frames uint8 ``[H, H, 3]``, which are read once, in order."""

    def listen(self, speech: Path, *, avatar: Any) -> Motion:
        """Motion of a recording, relative to a relaxed face, for an avatar."""

    def animate(self, avatar: Any, motion: Motion, size: int, pose: Any) -> Iterable[np.ndarray]:
        """Frames uint8 ``[size, size, 3]`` of an avatar, with ``pose="absolute"``."""


@dataclass(frozen=True)
class Task:
    """One clip in one mode. T counts the measured frames."""

    name: str  # file name of the clip
    frames: list[int]  # which of its frames are measured, [T]
    portrait: np.ndarray  # uint8 [H, H, 3]
    still: Motion  # the portrait's own face, T times
    drive: Callable[[Reenactor, Any], Motion]  # method, avatar -> what drives it, T frames, absolute
    reference: Motion  # track of the real frames
    real: FrameStore  # the real frames, T
    same_person: bool  # the real frames show the portrait's person: pictures can be compared

    @property
    def side(self) -> int:
        """Side of the driving video in pixels, in which the reference's landmarks are."""
        return min(self.reference.frame_size or self.portrait.shape[:2])


def make_task(pipe: Reenactor, clip: Clip, source: Clip, mode: Mode, every: int, size: int) -> Task:
    """Track a clip and set the task.

    Args:
        pipe: Tracks and listens.
        clip: The driver.
        source: Whose first frame is the portrait.
        mode: See the module.
        every: Stride over the clip's frames; the first frame is not measured.
        size: Side of the compared frames.

    Raises:
        MGGTalkError: If the clip cannot be read or tracked, is too short, or has no speech in a mode that needs it.
    """
    heard = mode in ("audio", "fixed-pose")
    if heard and clip.speech is not None and clip.speech < SPEECH:
        raise MediaError(f"The speech fraction of {clip.path.name} is {clip.speech:g}.", f"Use {SPEECH:g} or more.")
    path = clip.path
    _, fps = first_frame(path)
    portrait, _ = first_frame(source.path)
    motion = pipe.track_frames(square_frames(path), fps)
    chosen = list(range(every, len(motion), every))
    if not chosen:
        raise MediaError(
            f"{path.name} has {len(motion)} frames, too few for a stride of {every}.", "Use a longer clip."
        )
    rate = fps / every
    driving = select(motion, chosen, rate)
    if heard:
        check_speech(load_sound(path))
    # The tracker smooths over time, so a strided video has to be compared with a strided one.
    reference = driving if every == 1 else pipe.track_frames(islice(square_frames(path), every, None, every), rate)

    def drive(method: Reenactor, avatar: Any) -> Motion:
        if mode == "self":
            return driving
        if mode == "cross":
            shift = driving.translation - motion.translation[0]  # [T, 3]
            return driving.with_(translation=avatar.translation + shift, landmarks=None)
        spoken = method.listen(path, avatar=avatar)
        moments = [min(round(index / fps * spoken.fps), len(spoken) - 1) for index in chosen]
        lips = retarget(select(spoken, moments, rate), avatar, "relative", pipe.face_model)
        if mode == "fixed-pose":
            poses = (avatar.rotation.expand(len(lips), 3, 3), avatar.translation.expand(len(lips), 3))
        else:
            seen = retarget(driving, avatar, "absolute", pipe.face_model)
            poses = (seen.rotation, seen.translation)
        return lips.with_(rotation=poses[0], translation=poses[1], landmarks=None)

    return Task(
        name=path.name,
        frames=chosen,
        portrait=portrait,
        still=select(pipe.track_frames([portrait], fps), [0] * len(chosen), rate),
        drive=drive,
        reference=reference,
        real=FrameStore(
            (resized(frame, size) for frame in islice(square_frames(path), every, None, every)), len(chosen), size
        ),
        same_person=mode != "cross",
    )
