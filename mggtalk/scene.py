"""Data that parts of the pipeline hand to each other. Axis letters: T frames, N points, V = 478 vertices, K = 64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.errors import OptionError
from mggtalk.geometry import FLIP, constant, view_matrix
from mggtalk.media.ply import write_ply


class Gaussians(NamedTuple):
    """A set of 3D Gaussians in the head frame, activated: ready to be rendered. B sets have a leading axis B."""

    means: Tensor  # [N, 3] decimetres
    quaternions: Tensor  # [N, 4] w, x, y, z; need not be normalised
    scales: Tensor  # [N, 3] standard deviations in decimetres, > 0
    opacities: Tensor  # [N] in [0, 1]
    harmonics: Tensor  # [N, 4, 3] degree-1 SH in the order (1, y, z, x); RGB in [0, 1] = SH + 0.5

    def to(self, device: torch.device | str) -> Gaussians:
        """Copy all tensors to a device."""
        return Gaussians(*(tensor.to(device) for tensor in self))

    def save_ply(self, path: str) -> None:
        """Write a ``.ply`` that standard splat viewers open. See :func:`mggtalk.media.ply.write_ply`."""
        write_ply(self, path)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks at the head frame; with B views, B cameras that are otherwise alike."""

    view: Tensor  # [4, 4] or [B, 4, 4] world (= head frame) to OpenCV camera
    focal: float  # pixels
    centre: tuple[float, float]  # principal point in pixels
    width: int
    height: int

    @staticmethod
    def from_pose(rotation: Tensor, translation: Tensor, size: int, focal_ratio: float) -> Camera:
        """The camera that sees a head of this pose in a square picture.

        Args:
            rotation: Head rotation ``[..., 3, 3]``.
            translation: Head origin in the camera frame ``[..., 3]``, decimetres.
            size: Side of the picture in pixels.
            focal_ratio: Focal length over the side of the picture.
        """
        return Camera(view_matrix(rotation, translation), focal_ratio * size, (size / 2, size / 2), size, size)

    def head_pose(self) -> tuple[Tensor, Tensor]:
        """Rotation ``[..., 3, 3]`` and translation ``[..., 3]`` of the head that this camera sees."""
        return constant(FLIP, self.view)[:, None] * self.view[..., :3, :3], self.view[..., :3, 3]

    def window(self, left: float, top: float, width: int, height: int) -> Camera:
        """The camera that sees a window of this one's picture, from the same place."""
        (cx, cy) = self.centre
        return Camera(self.view, self.focal, (cx - left, cy - top), width, height)

    def intrinsics(self) -> Tensor:
        """The ``[3, 3]`` matrix K in pixels."""
        fx, (cx, cy) = self.focal, self.centre
        return constant((fx, 0.0, cx, 0.0, fx, cy, 0.0, 0.0, 1.0), self.view).view(3, 3)


def check_square(camera: Camera, focal_ratio: float) -> None:
    """Refuse a camera that does not see what a portrait's camera sees.

    Args:
        camera: The camera.
        focal_ratio: Focal length over the side of the picture.

    Raises:
        OptionError: If it is not square, or has another focal ratio or principal point.
    """
    ratio, middle = camera.focal / camera.width, camera.width / 2
    if camera.width != camera.height or abs(ratio - focal_ratio) > 1e-3:
        raise OptionError(
            f"The camera is {camera.width}x{camera.height} with focal ratio {ratio:.3f}.",
            f"Use a square camera with focal ratio {focal_ratio}.",
        )
    if max(abs(camera.centre[0] - middle), abs(camera.centre[1] - middle)) > 1e-3:
        raise OptionError(f"The camera's principal point is {camera.centre}.", f"Use the middle, {middle:g}.")


@dataclass(frozen=True)
class FaceTrack:
    """Track of a face in a still (T = 1) or a video."""

    landmarks: np.ndarray  # [T, 478, 3] float32 pixels; z has the scale of x, smaller is nearer to the camera
    blendshapes: np.ndarray  # [T, 52] float32 scores in [0, 1], in the order of mggtalk.face.blendshapes.NAMES
    found: np.ndarray  # [T] bool; False where the frame was bridged
    fps: float
    width: int  # of the frames, pixels
    height: int
    cuts: tuple[int, ...] = ()  # first frames of all shots but the first one

    def __len__(self) -> int:
        return len(self.landmarks)

    def take(self, frames: list[int]) -> FaceTrack:
        """Some frames as a track of their own, without cuts."""
        landmarks, blendshapes, found = (part[frames] for part in (self.landmarks, self.blendshapes, self.found))
        return replace(self, landmarks=landmarks, blendshapes=blendshapes, found=found, cuts=())

    def shots(self) -> list[FaceTrack]:
        """The track cut into its shots; those without a seen face belong to the one before or after."""
        starts = [0, *(cut for cut in self.cuts if self.found[:cut].any() and self.found[cut:].any())]
        ends = [*starts[1:], len(self)]
        spans = [(start, end) for start, end in zip(starts, ends) if self.found[start:end].any()]
        ends = [*(start for start, _ in spans[1:]), len(self)]
        return [
            replace(
                self,
                landmarks=self.landmarks[start:end],
                blendshapes=self.blendshapes[start:end],
                found=self.found[start:end],
                cuts=(),
            )
            for (start, _), end in zip([(0, 0), *spans[1:]], ends)
        ]


STILL_TORSO = torch.eye(2, 3)
"""A torso that stays where the portrait has it."""


class MotionFrame(NamedTuple):
    """Expression and head pose at one moment, or at B moments: all fields then have a leading axis B."""

    expression: Tensor  # [K] coefficients in standard deviations
    rotation: Tensor  # [3, 3] head to camera axes, see mggtalk.geometry
    translation: Tensor  # [3] head origin in the camera frame, decimetres
    torso: Tensor = STILL_TORSO  # [2, 3] places of the portrait's torso to those of the frame, in sides of the picture


@dataclass(frozen=True)
class Motion:
    """A driving performance: what a video, a recording or a motion file is turned into.

    Poses are relative to a pinhole camera whose focal length is ``focal_ratio`` times the side of a square picture; a
    picture that is not square is centred in the square of its longer side.
    """

    expression: Tensor  # [T, K] coefficients in standard deviations
    rotation: Tensor  # [T, 3, 3]
    translation: Tensor  # [T, 3] decimetres, camera frame
    fps: float
    face_model: str  # version of the face model that the coefficients belong to
    focal_ratio: float  # focal length over the side of the picture
    rest: Tensor | None = None  # [K] the driver's relaxed face with closed lips; None: zero, as in authored motion
    landmarks: Tensor | None = None  # [T, V, 3] pixels of the driving video, when it was tracked
    frame_size: tuple[int, int] | None = None  # width and height of the driving video in pixels, with the landmarks
    found: Tensor | None = None  # [T] bool, False where the tracker lost the face and the gap was bridged
    torso: Tensor | None = None  # [T, 2, 3] the shoulders: places in one frame, or in the portrait, to here
    cuts: tuple[int, ...] = ()  # of a tracked video: first frames of shots with another person or view
    notes: tuple[str, ...] = ()  # what the user should know: lost frames, fall-backs

    def __len__(self) -> int:
        return len(self.expression)

    def __getitem__(self, index: int | slice | Tensor) -> MotionFrame:
        rotation = self.rotation[index]
        torso = STILL_TORSO.expand(*rotation.shape[:-2], 2, 3) if self.torso is None else self.torso[index]
        return MotionFrame(self.expression[index], rotation, self.translation[index], torso)

    def __iter__(self) -> Iterator[MotionFrame]:
        return (self[index] for index in range(len(self)))

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self) / self.fps

    def with_(self, **changes: object) -> Motion:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


def select(motion: Motion, frames: list[int], fps: float) -> Motion:
    """Some moments of a motion, in the given order."""
    index = torch.tensor(frames)

    def pick(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[index]

    return motion.with_(
        expression=motion.expression[index],
        rotation=motion.rotation[index],
        translation=motion.translation[index],
        landmarks=pick(motion.landmarks),
        found=pick(motion.found),
        torso=pick(motion.torso),
        cuts=(),
        fps=fps,
    )
