"""Performance on a portrait: a motion and its sound, whatever drives it. Shared by command line and page.

The functions check what the user gave before they work on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import MediaConfig, SpeechConfig
from mggtalk.errors import OptionError
from mggtalk.geometry import quaternion_to_rotation, rotation_to_quaternion
from mggtalk.media import check_readable, check_speech, has_sound, open_video
from mggtalk.media.image import check_image
from mggtalk.media.sound import level_of, read_sound
from mggtalk.media.stills import is_still
from mggtalk.motion.arkit import CSV_SUFFIX, load_arkit_csv
from mggtalk.motion.motion_file import load_motion
from mggtalk.motion.retarget import orbit, retarget, still
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion
from mggtalk.speech.acoustic import RATE
from mggtalk.speech.audio_prior import Voice

ORBIT_SECONDS = 4.0
"""Length of an orbit around a portrait that nothing drives."""

ORBIT_FPS = 25.0
"""Its frame rate."""


class Performance(NamedTuple):
    """A motion, and what is heard with it."""

    motion: Motion
    sound: str | Path | None


def check_driver(
    video: str | Path | None = None,
    speech: str | Path | None = None,
    motion: str | Path | None = None,
    config: MediaConfig | None = None,
) -> None:
    """Open what should drive a portrait, so that a bad file is told before any work.

    Args:
        video: A driving video, or a picture.
        speech: A recording.
        motion: A motion file.
        config: Limits.

    Raises:
        MediaError: If the video or the recording cannot be read, or the recording is silent.
        MotionFileError: If the motion file is none.
    """
    if video is not None and is_still(check_readable(video, "driver")):
        check_image(video, config)
    elif video is not None:
        open_video(video, config).close()
    if speech is not None:
        check_speech(level_of(read_sound(speech, RATE, config), RATE))
    if motion is not None and Path(motion).suffix.lower() == CSV_SUFFIX:
        check_readable(motion, "motion file")
    elif motion is not None:
        load_motion(motion)


def from_video(
    pipe: MGGTalkPipeline, video: str | Path, face: int | None = None, on_progress: Progress = no_progress
) -> Performance:
    """The motion of a driving video, with the video's own sound if it has any; or that of a picture.

    Args:
        pipe: Tracks it.
        video: The file.
        face: Which face, from left to right.
        on_progress: Called with stage, steps done and steps in all.
    """
    motion = pipe.track(video, face, on_progress)
    return Performance(motion, video if not is_still(Path(video)) and has_sound(video) else None)


def from_speech(
    pipe: MGGTalkPipeline,
    speech: str | Path,
    seed: int = 0,
    language: str | None = None,
    on_progress: Progress = no_progress,
    manner: SpeechConfig | None = None,
    voice: Voice | None = None,
) -> Performance:
    """The motion of a recording, with the recording as its sound.

    Args:
        pipe: Listens to it.
        speech: The file.
        seed: Of the invented head motion and blinks.
        language: See :meth:`MGGTalkPipeline.listen`.
        on_progress: Called with stage, steps done and steps in all.
        manner: See :meth:`MGGTalkPipeline.listen`.
        voice: How the speaker moves the lips; the average one by default.
    """
    return Performance(pipe.listen(speech, seed, language, on_progress, manner, voice), speech)


def from_motion_file(pipe: MGGTalkPipeline, path: str | Path) -> Performance:
    """The motion of a file; it is silent."""
    return Performance(read_motion(pipe, path), None)


def read_motion(pipe: MGGTalkPipeline, path: str | Path) -> Motion:
    """A motion file of ours, or a table of ARKit blendshapes (CSV) as Live Link Face writes it.

    Raises:
        MotionFileError: If the file is neither.
    """
    if Path(path).suffix.lower() == CSV_SUFFIX:
        return load_arkit_csv(path, pipe.face_model, focal_ratio=pipe.config.render.focal_ratio)
    return load_motion(path)


def around(
    pipe: MGGTalkPipeline,
    avatar: Avatar,
    yaw: tuple[float, float],
    performance: Performance | None = None,
    pitch: float = 0.0,
) -> Performance:
    """The view on a portrait from a swinging camera.

    Args:
        pipe: Whose motions the path fits.
        avatar: The portrait.
        yaw: Least and greatest yaw of the face in degrees.
        performance: Its expressions are seen; without one, the portrait's own for one swing.
        pitch: Degrees up and down; with some, the camera circles.

    Returns:
        A performance for absolute poses. It has no landmarks: those of the driver belong to other poses.
    """
    if performance is None:
        frames = round(ORBIT_SECONDS * ORBIT_FPS)
        motion = still(avatar, frames, ORBIT_FPS, pipe.face_model.version, pipe.config.render.focal_ratio)
    else:
        motion = retarget(performance.motion, avatar, "relative", pipe.face_model)
    path = orbit(motion, avatar, yaw, ORBIT_SECONDS, pitch)
    return Performance(path.with_(landmarks=None), None if performance is None else performance.sound)


def with_head_of(motion: Motion, head: Motion) -> Motion:
    """Put the head poses of one motion under the expressions of another.

    Poses are interpolated to the frame times of ``motion``. A head motion that is shorter is played back and forth.

    Args:
        motion: T frames, whose expressions and rate are kept.
        head: Its poses are taken.

    Returns:
        T frames.

    Raises:
        OptionError: If the two assume different cameras.
    """
    if abs(motion.focal_ratio - head.focal_ratio) > 1e-6:
        raise OptionError(
            f"The head motion was tracked with focal ratio {head.focal_ratio}, this pipeline has {motion.focal_ratio}.",
            "Track its video again.",
        )
    last = len(head) - 1
    place = torch.arange(len(motion)) / motion.fps * head.fps  # [T] in frames of the head motion
    place = last - (place % max(2 * last, 1) - last).abs() if last else torch.zeros(len(motion))
    low = place.floor().long().clamp(max=max(last - 1, 0))  # [T]
    high = (low + 1).clamp(max=last)
    weight = (place - low)[:, None]  # [T, 1]
    quaternions = rotation_to_quaternion(head.rotation)  # [T_head, 4]
    start, end = quaternions[low], quaternions[high]
    end = torch.where((start * end).sum(-1, keepdim=True) < 0, -end, end)
    return motion.with_(
        rotation=quaternion_to_rotation(torch.lerp(start, end, weight)),  # [T, 3, 3]
        translation=torch.lerp(head.translation[low], head.translation[high], weight),  # [T, 3]
    )
