"""An avatar that follows a camera: one frame in, one frame out."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.animate.live_picture import LivePicture
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit, Solver, fit_track
from mggtalk.face.landmarks import Face
from mggtalk.face.tracker import FaceTracker, Follower
from mggtalk.geometry import nearest_rotation
from mggtalk.motion.retarget import close_lips
from mggtalk.scene import FaceTrack, MotionFrame

CALIBRATION_FRAMES = 10
"""Frames of a relaxed face that looks ahead, from which the person before the camera is known."""

STILL, FAST = 0.35, 0.02
"""Share of a new frame that a face at rest takes, and the speed (face widths a frame) at which it takes nearly all."""


@dataclass(frozen=True)
class Person:
    """The person before the camera."""

    identity: Tensor  # [I]
    rest: Tensor  # [K] relaxed, with closed lips
    rotation: Tensor  # [3, 3] looking ahead
    translation: Tensor  # [3]


class LiveAvatar:
    """Puts a camera's frames on an avatar. Threads may share it: it follows one frame and draws one at a time.

    Where frames come fast, :meth:`follow` can see the next one while :meth:`draw` makes the last.

    The first frames with a face calibrate it: they should show a relaxed face that looks ahead. Until then, and while
    no face is seen, the last picture stays, at first the portrait at rest.

    Args:
        animator: Of the avatar, at the size that is wanted.
        tracker: Finds the face.
        face_model: Of the avatar, on its device.
        fps: Of the camera, roughly.
        mirror: Whether the avatar moves like a mirror image of the person.

    Example:
        >>> live = pipe.live(avatar)
        >>> picture = live(frame)
    """

    def __init__(
        self, animator: Animator, tracker: FaceTracker, face_model: FaceModel, fps: float = 25.0, mirror: bool = True
    ) -> None:
        self.mirror = mirror
        self._animator, self._tracker, self._face_model, self._fps = animator, tracker, face_model, fps
        self._solver = Solver(face_model)
        avatar = animator.avatar
        self._rest = close_lips(face_model, avatar.identity, avatar.expression)
        self._following = threading.Lock()
        self._picture = LivePicture(animator, MotionFrame(self._rest, avatar.rotation, avatar.translation))
        self._start()

    @property
    def calibrated(self) -> bool:
        """Whether it knows the person before the camera."""
        return self._person is not None

    def reset(self) -> None:
        """Forget the person, as if no frame had been seen; the next frames calibrate anew."""
        with self._following:
            self._start()
            self._picture.reset()

    def _start(self) -> None:
        self._follower = Follower(self._tracker, self._fps, None)
        self._person: Person | None = None
        self._seen: list[Face] = []
        self._smooth: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Make the picture of a camera's frame.

        Args:
            frame: uint8 ``[H, W, 3]``.

        Returns:
            uint8 ``[size, size, 3]``, without a mark: whoever shows it adds one.

        Raises:
            OptionError: If it is no such frame.
        """
        return self.draw(self.follow(frame))

    def follow(self, frame: np.ndarray) -> MotionFrame | None:
        """Find what the avatar should show for a camera's frame.

        Args:
            frame: uint8 ``[H, W, 3]``.

        Returns:
            The frame to draw; None while that is not known.

        Raises:
            OptionError: If it is no such frame.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or min(frame.shape[:2]) < 16:
            raise OptionError(f"The frame is {frame.dtype} {frame.shape}.", "Give uint8 [H, W, 3].")
        with self._following, torch.inference_mode():
            return self._follow(np.ascontiguousarray(frame[:, ::-1]) if self.mirror else frame)

    def draw(self, motion: MotionFrame | None) -> np.ndarray:
        """Draw what :meth:`follow` found; None repeats the last picture.

        Returns:
            uint8 ``[size, size, 3]``, without a mark.
        """
        return self._picture.draw(motion)

    def _follow(self, frame: np.ndarray) -> MotionFrame | None:
        """The frame that the avatar should show; None while that is not known."""
        face = self._follower.step(frame)
        if face is None:
            return None
        landmarks = self._smoothed(face.landmarks, face.width)
        size = frame.shape[1], frame.shape[0]
        if self._person is None:
            self._seen.append(face)
            if len(self._seen) < CALIBRATION_FRAMES:
                return None
            self._person = self._calibrate(self._seen, size)
            self._seen.clear()
        scores = face.blendshapes[None]
        return self._retarget(self._person, self._fit(landmarks[None], scores, size, self._person.identity))

    def _smoothed(self, landmarks: np.ndarray, width: float) -> np.ndarray:
        """Landmarks ``[V, 3]`` less the tracker's trembling: what moves fast is taken as it is."""
        if self._smooth is None or self._smooth.shape != landmarks.shape:
            self._smooth = landmarks.astype(np.float32)
            return self._smooth
        step = landmarks - self._smooth
        speed = np.linalg.norm(step[:, :2], axis=1, keepdims=True) / max(width, 1.0)  # [V, 1]
        share = STILL + (1.0 - STILL) * np.minimum(speed / FAST, 1.0)
        self._smooth = (self._smooth + share * step).astype(np.float32)
        return self._smooth

    def _fit(
        self, landmarks: np.ndarray, scores: np.ndarray, size: tuple[int, int], identity: Tensor | None
    ) -> FaceFit:
        """The face model fitted to landmarks ``[T, V, 3]`` with blendshape scores ``[T, 52]``."""
        track = FaceTrack(landmarks, scores, np.ones(len(landmarks), bool), self._fps, *size)
        return fit_track(self._face_model, track, self._animator.focal_ratio, identity, self._solver)

    def _calibrate(self, faces: list[Face], size: tuple[int, int]) -> Person:
        """The person that some faces show at rest."""
        landmarks, scores = np.stack([f.landmarks for f in faces]), np.stack([f.blendshapes for f in faces])
        fit = self._fit(landmarks, scores, size, None)
        rest = close_lips(self._face_model, fit.identity, fit.expression.mean(0))
        return Person(fit.identity, rest, nearest_rotation(fit.rotation.mean(0)), fit.translation.mean(0))

    def _retarget(self, person: Person, fit: FaceFit) -> MotionFrame:
        """The relative retargeting of :func:`mggtalk.motion.retarget.retarget`, with the calibration as its rest."""
        source = self._animator.avatar
        rotation = nearest_rotation(fit.rotation[0] @ person.rotation.mT @ source.rotation)
        ratio = fit.translation[0, 2] / person.translation[2]
        shift = fit.translation[0, :2] - person.translation[:2] * ratio  # [2]
        translation = torch.cat([source.translation[:2] * ratio + shift, (source.translation[2] * ratio)[None]])
        return MotionFrame(fit.expression[0] - person.rest + self._rest, rotation, translation)
