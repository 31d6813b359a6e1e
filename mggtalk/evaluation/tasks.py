"""Task of a method: a portrait, a motion that drives it, and what the real video shows at those moments.

==============  ===========================  =======================  =====================================
mode            portrait                     expression from          pose from
==============  ===========================  =======================  =====================================
``self``        the clip's first frame       the clip's frames        the clip's frames
``cross``       another person's first       the clip's frames        rotation of the clip's frames, their
                frame                                                 shifts from the portrait's place
``audio``       the clip's first frame       the clip's sound         the clip's frames
``fixed-pose``  the clip's first frame       the clip's sound         the portrait
==============  ===========================  =======================  =====================================

In mode ``self`` the portrait may be the clip's most turned frame instead (``portrait_frame="turned"``), and its most
frontal frames are measured: half a face has to make a whole one. Or there are several photos of the person: the first
frame and further ones of the clip's first half, chosen by what was tracked there (:func:`choose_photos`); frames of the
second half are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import MediaError
from mggtalk.evaluation.frames import FrameStore, first_frame, picked_frames, resize_picture, square_frames
from mggtalk.evaluation.spoken import Spoken, hear_clip
from mggtalk.face.face_model import FaceModel
from mggtalk.media import load_sound
from mggtalk.media.clips import SPEECH, Clip
from mggtalk.media.sound import check_speech
from mggtalk.motion.retarget import retarget
from mggtalk.scene import Motion, select

Mode = Literal["self", "cross", "audio", "fixed-pose"]

MODES: tuple[Mode, ...] = ("self", "cross", "audio", "fixed-pose")

PortraitFrame = Literal["first", "turned"]

PORTRAIT_FRAMES: tuple[PortraitFrame, ...] = ("first", "turned")

TURNED = 25.0
"""Degrees to the side from which on a portrait counts as turned."""

LESS_TURNED = 15.0
"""Degrees by which a frame must be nearer to the front than a turned portrait to be measured."""

FRONTAL_SHARE = 0.2
"""The most frontal frames of a clip are this share of those that are less turned than the portrait, ..."""

LEAST_FRONTAL = 8
"""... or this many, if there are as many."""

PHOTO_TURN = 0.105
"""Turn of the head, radians, by which photos differ as by one standard deviation of all components of expression."""


class Reenactor(Protocol):
    """Pipeline under evaluation: the part of :class:`mggtalk.pipeline.MGGTalkPipeline` that the protocol uses."""

    face_model: Any

    def prepare(self, portrait: Any, crop: Any) -> Any:
        """Avatar of a square portrait, uint8 ``[H, H, 3]``, or of several, with ``crop="none"``."""

    def person_matte(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Person alpha ``[H, H]`` of a frame uint8 ``[H, H, 3]`` with the face's landmarks ``[478, 3]`` in pixels."""

    def track_frames(self, frames: Iterable[np.ndarray], fps: float) -> Motion:
        """Motion with landmarks of frames uint8 ``[H, H, 3]``, which are read once, in order."""

    def listen(self, speech: Path) -> Motion:
        """Motion of a recording, relative to a relaxed face."""

    def animate(self, avatar: Any, motion: Motion, size: int, pose: Any) -> Iterable[np.ndarray]:
        """Frames uint8 ``[size, size, 3]`` of an avatar, with ``pose="absolute"``."""


class Given(NamedTuple):
    """What methods are given of the person."""

    portrait_frame: PortraitFrame = "first"  # see the module
    photos: int = 1  # the portrait among them; further ones only with the first frame


@dataclass(frozen=True)
class Task:
    """One clip in one mode. T counts the measured frames."""

    name: str  # file name of the clip
    frames: list[int]  # which of its frames are measured, [T]
    source: int  # which of its frames is the portrait; of the other person's clip in mode cross
    photos: list[np.ndarray]  # uint8 [H, H, 3] each; the first one is the portrait
    still: Motion  # the portrait's own face, T times
    drive: Callable[[Reenactor, Any], Motion]  # method, avatar -> what drives it, T frames, absolute
    reference: Motion  # track of the real frames
    real: FrameStore  # the real frames, T
    same_person: bool  # the real frames show the portrait's person: pictures can be compared
    spoken: Spoken | None = None  # the clip's sound and every frame of its real face, where sound drives

    @property
    def portrait(self) -> np.ndarray:
        """The first photo, uint8 ``[H, H, 3]``."""
        return self.photos[0]

    @property
    def side(self) -> int:
        """Side of the driving video in pixels, in which the reference's landmarks are."""
        return min(self.reference.frame_size or self.portrait.shape[:2])


def make_task(
    pipe: Reenactor,
    clip: Clip,
    source: Clip,
    mode: Mode,
    every: int,
    size: int,
    most: int | None = None,
    given: Given = Given(),  # noqa: B008  an immutable tuple
) -> Task:
    """Track a clip and set the task.

    Args:
        pipe: Tracks and listens.
        clip: The driver.
        source: Whose frame is the portrait.
        mode: See the module.
        every: Stride over the clip's frames; the portrait is not measured.
        size: Side of the compared frames.
        most: Measure so many frames at most, spread evenly over those that the stride leaves.
        given: Which frames show the person to the methods.

    Raises:
        MGGTalkError: If the clip cannot be read or tracked, is too short, has no speech in a mode that needs it, or no
            turned and frontal frames where these are asked for.
    """
    heard = mode in ("audio", "fixed-pose")
    if heard and clip.speech is not None and clip.speech < SPEECH:
        raise MediaError(f"The speech fraction of {clip.path.name} is {clip.speech:g}.", f"Use {SPEECH:g} or more.")
    path = clip.path
    _, fps = first_frame(path)
    motion = pipe.track_frames(square_frames(path), fps)
    shown, candidates = shown_and_measured(motion, given, path.name)
    turned = given.portrait_frame == "turned"
    chosen = candidates[::every] if turned else [frame for frame in candidates if frame % every == 0]
    if most is not None and len(chosen) > most:
        chosen = [chosen[round((part + 0.5) * len(chosen) / most - 0.5)] for part in range(most)]
    if not chosen:
        raise MediaError(
            f"{path.name} has {len(motion)} frames, too few for a stride of {every}.", "Use a longer clip."
        )
    pictures = dict(zip(sorted(shown), picked_frames(source.path, sorted(shown))))
    # Where frames are left out, the rate is that of those which are not.
    rate = fps / every if most is None and not turned else fps * len(chosen) / len(motion)
    driving = select(motion, chosen, rate)
    spoken = None
    if heard:
        sound = load_sound(path)
        check_speech(sound)
        spoken = hear_clip(path, sound, motion)
    # The tracker smooths over time, so a video with frames left out has to be compared with such a one.
    all_frames = chosen == list(range(1, len(motion)))
    reference = driving if all_frames else pipe.track_frames(picked_frames(path, chosen), rate)

    def drive(method: Reenactor, avatar: Any) -> Motion:
        if mode == "self":
            return driving if motion.torso is None else _with_shoulders(motion, avatar, pipe.face_model, chosen, rate)
        if mode == "cross":
            shift = driving.translation - motion.translation[0]  # [T, 3]
            return driving.with_(translation=avatar.translation + shift, landmarks=None, torso=None)
        assert spoken is not None
        lips = select(spoken.listen(method, avatar), chosen, rate)
        if mode == "fixed-pose":
            poses = (avatar.rotation.expand(len(lips), 3, 3), avatar.translation.expand(len(lips), 3))
        else:
            seen = retarget(driving, avatar, "absolute", pipe.face_model)
            poses = (seen.rotation, seen.translation)
        return lips.with_(rotation=poses[0], translation=poses[1], landmarks=None)

    return Task(
        name=path.name,
        frames=chosen,
        source=shown[0],
        photos=[pictures[frame] for frame in shown],
        still=select(pipe.track_frames([pictures[shown[0]]], fps), [0] * len(chosen), rate),
        drive=drive,
        reference=reference,
        real=FrameStore((resize_picture(frame, size) for frame in picked_frames(path, chosen)), len(chosen), size),
        same_person=mode != "cross",
        spoken=spoken,
    )


def _with_shoulders(motion: Motion, avatar: Avatar, face_model: FaceModel, chosen: list[int], rate: float) -> Motion:
    """Chosen frames for the same person; shoulders are counted from the frame of all that is posed most like it."""
    return select(retarget(motion, avatar, "absolute", face_model), chosen, rate).with_(landmarks=None)


def shown_and_measured(motion: Motion, given: Given, name: str) -> tuple[list[int], list[int]]:
    """Frames that methods are shown, the portrait first, and frames that may be measured.

    Args:
        motion: Track of the clip.
        given: What is asked for.
        name: Of the clip, for errors.
    """
    if given.portrait_frame == "turned":
        start, frontal = turned_and_frontal(motion, name)
        return [start], frontal
    if given.photos > 1:
        return choose_photos(motion, given.photos), list(range(len(motion) // 2, len(motion)))
    return [0], list(range(1, len(motion)))


def choose_photos(motion: Motion, count: int) -> list[int]:
    """Choose photos that stand for the first half of a clip, by what was tracked there and by nothing else.

    The first frame, then one after the other the frame that brings all frames of the half nearest to a photo. Distances
    are of expression (root mean square, in standard deviations) and of turn (in :data:`PHOTO_TURN`).

    Args:
        motion: Track of the clip.
        count: Photos.

    Raises:
        MediaError: If the half has fewer frames.
    """
    half = len(motion) // 2
    if half < count:
        raise MediaError(f"The clip has {len(motion)} frames.", f"For {count} photos use one of {2 * count} or more.")
    expression = motion.expression[:half] / motion.expression.shape[1] ** 0.5  # [t, K]
    turn = motion.rotation[:half].flatten(1) / (2**0.5 * PHOTO_TURN)  # [t, 9]; |R_1 - R_2|^2 is about 2 angle^2
    places = torch.cat([expression, turn], dim=1).cpu()
    apart = torch.cdist(places, places)  # [t, t]
    chosen = [0]
    while len(chosen) < count:
        nearest = apart[:, chosen].amin(1)  # [t]
        gain = (nearest[:, None] - apart).clamp(min=0).sum(0)  # [t] of each further photo
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
    return chosen


def head_turn(motion: Motion) -> np.ndarray:
    """Measure how far the face looks past the camera in every frame ``[T]``, degrees, positive to either side."""
    facing = motion.rotation[..., 2].double().cpu()  # [T, 3] head's z axis in the camera frame, y up, z to the viewer
    place = motion.translation.double().cpu()  # [T, 3] camera frame, y down, z forward
    bearing = torch.atan2(place[:, 0], place[:, 2])  # [T] of the head, to the right of the optical axis
    yaw = torch.atan2(facing[:, 0], facing[:, 2]) + bearing  # looking back along the ray is no turn
    return np.abs(np.degrees(torch.atan2(yaw.sin(), yaw.cos()).numpy()))


def turned_and_frontal(motion: Motion, name: str) -> tuple[int, list[int]]:
    """The most turned frame of a clip, and its most frontal ones in their order.

    Args:
        motion: Track of the clip; frames in which the face was lost do not count.
        name: Of the clip, for the error.

    Raises:
        MediaError: If no frame is turned by :data:`TURNED`, or none is less so by :data:`LESS_TURNED`.
    """
    turn = head_turn(motion)  # [T]
    found = np.ones(len(turn), bool) if motion.found is None else motion.found.cpu().numpy()
    portrait = int(np.where(found, turn, -1.0).argmax())
    frontal = [int(frame) for frame in np.flatnonzero(found & (turn <= turn[portrait] - LESS_TURNED))]
    if turn[portrait] < TURNED or not frontal:
        raise MediaError(
            f"{name} has no frame that is turned by {TURNED:g}° and one that is turned by {LESS_TURNED:g}° less: "
            f"{turn[found].min():.0f}° to {turn[portrait]:.0f}° are seen.",
            "Use a clip in which the head turns.",
        )
    count = max(LEAST_FRONTAL, round(FRONTAL_SHARE * len(frontal)))
    return portrait, sorted(sorted(frontal, key=lambda frame: turn[frame])[:count])
