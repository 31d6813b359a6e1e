"""Motion of a driver: the face of a video or picture followed, the face model fitted by shots, and the shoulders."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mggtalk.config import MediaConfig
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit, fit_track
from mggtalk.face.matte import PersonMatte
from mggtalk.face.tracker import FaceTracker
from mggtalk.face.upright import turn_upright
from mggtalk.media import check_readable, load_image, open_video
from mggtalk.media.stills import is_still
from mggtalk.motion.parts import Shot, differ, join_shots
from mggtalk.motion.picture import ease_in
from mggtalk.motion.retarget import driver_rest
from mggtalk.motion.torso import SIDE, grey_square, torso_mask, track_torso
from mggtalk.runtime.overlap import one_thread, read_ahead
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import FaceTrack, Motion

logger = logging.getLogger(__name__)


class Tracking(NamedTuple):
    """The parts that follow a driver."""

    tracker: FaceTracker
    face_model: FaceModel
    matte: PersonMatte
    focal_ratio: float  # of the camera that poses are told for


def track_driver(
    tracking: Tracking,
    frames: Iterable[np.ndarray],
    fps: float,
    face: int | None = None,
    on_progress: Progress = no_progress,
    total: int = 0,
) -> Motion:
    """Track a face through frames: landmarks, then the face model's fit.

    Args:
        tracking: What follows it.
        frames: uint8 ``[H, W, 3]``, read once, in order.
        fps: Their rate.
        face: Which face of the first frame, from left to right; the largest by default.
        on_progress: Called with ``"track"``, frames done and frames in all, as far as known.
        total: Frames in all, if it is known.

    Raises:
        NoFaceError: If no frame shows a face.
    """
    first: list[np.ndarray] = []
    small: list[np.ndarray] = []

    def counted() -> Iterable[np.ndarray]:
        for index, frame in enumerate(read_ahead(frames)):
            on_progress("track", index + 1, max(total, index + 1))
            if not first:
                first.append(frame.copy())
            small.append(grey_square(frame))
            yield frame

    with one_thread():
        track = tracking.tracker.video(counted(), fps, face=face)
    track, shots = _cut(tracking, track)
    notes = track_notes(track)
    for note in notes:
        logger.warning(note)
    motion = join_shots([shot.motion for shot in shots])
    torso = _torso(tracking.matte, first[0], small, track) if len(shots) == 1 and track.found[0] else None
    return motion.with_(notes=notes, torso=torso, cuts=track.cuts)


def track_file(
    tracking: Tracking,
    path: str | Path,
    limits: MediaConfig,
    face: int | None = None,
    on_progress: Progress = no_progress,
) -> Motion:
    """Track a video, or a picture: see :func:`track_driver` and :func:`mggtalk.motion.picture.ease_in`.

    Args:
        tracking: What follows the face.
        path: The file; its content tells which it is.
        limits: On what is read.
        face: Which face, from left to right; the largest by default.
        on_progress: Called with ``"track"``, frames done and frames in all.

    Raises:
        MediaError: If the file cannot be read.
        NoFaceError: If no frame shows a face.
    """
    if not is_still(check_readable(path, "driver")):
        with open_video(path, limits) as reader:
            return track_driver(tracking, reader, reader.fps, face, on_progress, int(reader.frame_count or 0))
    picture = load_image(path, limits)
    _, track, turned = turn_upright(picture, tracking.tracker.still(picture, face, allow_several=True))
    on_progress("track", 1, 1)
    motion, _ = fit_motion(tracking.face_model, track, tracking.focal_ratio)
    return ease_in(motion.with_(notes=(turned,) if turned else ()))


def _torso(matte: PersonMatte, first: np.ndarray, small: list[np.ndarray], track: FaceTrack) -> Tensor | None:
    """The way of the shoulders ``[T, 2, 3]``, see :mod:`mggtalk.motion.torso`."""
    height, width = first.shape[:2]
    side = max(height, width)
    square = np.pad(matte.around(first, track.landmarks[0]), (((side - height) // 2,), ((side - width) // 2,)))
    person = np.asarray(Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BOX))
    corner = ((side - width) / 2, (side - height) / 2)
    heads = (track.landmarks[..., :2] + corner) * (SIDE / side)  # [T, V, 2]
    found = track_torso(small, torso_mask(person, heads[0]), heads)
    return None if found is None else torch.from_numpy(found)


def _cut(tracking: Tracking, track: FaceTrack) -> tuple[FaceTrack, list[Shot]]:
    """A track without the cuts after which the same person is seen from the same place, and its shots."""
    shots = [_fit(tracking, shot) for shot in track.shots()]
    if len(shots) == 1:
        return track, shots
    starts = np.cumsum([len(shot.motion) for shot in shots])[:-1]
    cuts = tuple(int(s) for s, a, b in zip(starts, shots, shots[1:]) if differ(tracking.face_model, a, b))
    track = replace(track, cuts=cuts)
    return track, [_fit(tracking, shot) for shot in track.shots()]


def _fit(tracking: Tracking, track: FaceTrack) -> Shot:
    """The motion of one shot."""
    motion, fit = fit_motion(tracking.face_model, track, tracking.focal_ratio)
    return Shot(motion, fit.identity)


def fit_motion(face_model: FaceModel, track: FaceTrack, focal_ratio: float) -> tuple[Motion, FaceFit]:
    """The face model fitted to a track: as a motion with landmarks, and the fit itself."""
    fit = fit_track(face_model, track, focal_ratio)
    motion = Motion(
        expression=fit.expression,
        rotation=fit.rotation,
        translation=fit.translation,
        fps=track.fps,
        face_model=face_model.version,
        focal_ratio=focal_ratio,
        landmarks=torch.from_numpy(track.landmarks),
        found=torch.from_numpy(track.found),
        frame_size=(track.width, track.height),
    )
    return motion.with_(rest=driver_rest(face_model, fit.identity, motion)), fit


def check_fits(motion: Motion, face_model: str, focal_ratio: float) -> None:
    """Refuse a motion of another face model or camera.

    Args:
        motion: To be put on a portrait.
        face_model: Version that the portrait belongs to.
        focal_ratio: Of its camera.

    Raises:
        OptionError: If they differ.
    """
    if motion.face_model != face_model:
        raise OptionError(
            f"The motion belongs to face model {motion.face_model!r}, this pipeline has {face_model!r}.",
            "Track the driving video again.",
        )
    if abs(motion.focal_ratio - focal_ratio) > 1e-6:
        raise OptionError(
            f"The motion was tracked with focal ratio {motion.focal_ratio}, this pipeline has {focal_ratio}.",
            "Track the driving video again.",
        )


def track_notes(track: FaceTrack) -> tuple[str, ...]:
    """Write what the user should know of a tracked driver: for how long the face was out of sight, and cuts."""
    notes = []
    if not track.found.all():
        edges = np.flatnonzero(np.diff(np.concatenate([[False], ~track.found, [False]]).astype(int)))  # starts, ends
        starts, ends = edges[::2], edges[1::2]
        longest = int((ends - starts).argmax())
        lost, most = ((~track.found).sum() / track.fps, (ends - starts)[longest] / track.fps)
        notes.append(
            f"The face was out of sight for {lost:.1f} of {len(track) / track.fps:.1f} s, longest for {most:.1f} s "
            f"from {starts[longest] / track.fps:.1f} s on; there it is guessed from before and after."
        )
    shots = track.shots()
    if len(shots) > 1:
        places = np.cumsum([len(shot) for shot in shots])[:-1] / track.fps
        listed = ", ".join(f"{place:.1f}" for place in places[:8]) + (", ..." if len(places) > 8 else "")
        notes.append(
            f"The driving video is cut at {listed} s: what follows may be another person or another view, so each of "
            f"its {len(shots)} shots was tracked by itself and moves the portrait from its own rest."
        )
    return tuple(notes)
