"""An adapter that adds nothing yet: which parts of the head have blendshapes, and which frames are typical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from mggtalk.avatar.adapter import CHANNELS, FEATURES, Adapter, Region, features
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import LEFT_BROW, LEFT_EYE, LEFT_IRIS, LIPS, RIGHT_BROW, RIGHT_EYE, RIGHT_IRIS
from mggtalk.scene import Motion, MotionFrame

EYES = (*RIGHT_EYE, *LEFT_EYE, *RIGHT_BROW, *LEFT_BROW, *RIGHT_IRIS, *LEFT_IRIS)
"""Vertices of eyes and brows."""

TURN, SIDEWAYS, NEARER = 0.09, 0.3, 0.6
"""Poses that differ as much as typical ones do: entries of the rotation (5 degrees), decimetres across and along."""

WIDTH = 0.8
"""Distance at which a share falls to 61 %, over the frames' mean distance from the nearest typical one."""

SHARE = 0.3
"""A point belongs to a region when its vertices hold so much of its binding."""


@dataclass(frozen=True)
class CodeConfig:
    """Sizes of an adapter."""

    poses: int = 8  # typical poses, for the whole head
    eyes: int = 8  # typical expressions of eyes and brows
    mouths: int = 16  # typical expressions of the mouth
    axes: int = 5  # dimensions of each code
    head_side: int = 64  # side of the head's maps
    eyes_cells: int = 8000  # most pixels of a map of the eyes
    mouth_cells: int = 6000  # most pixels of a map of the mouth


def fresh_adapter(avatar: Avatar, face_model: FaceModel, motion: Motion, config: CodeConfig) -> Adapter:
    """An adapter of zeros.

    Args:
        avatar: Of a frame of the clip.
        face_model: The landmark 3DMM.
        motion: Of the clip, with the avatar's identity: its frames decide what is typical.
        config: Sizes.
    """
    seen = features(MotionFrame(motion.expression, motion.rotation, motion.translation))  # [T, F]
    height, width = avatar.mask.shape
    whole = torch.tensor([0, height, 0, width])
    side = min(config.head_side, height)
    vertices = len(face_model.mean)

    def region(view: Tensor, count: int, bounds: Tensor, size: tuple[int, int], sheet: bool = False) -> Region:
        axes, origin, centres = typical(seen, view, config.axes, count)
        k = len(centres)
        return Region(
            axes,
            origin,
            centres,
            bounds,
            vertices=torch.zeros(k, vertices, 3),
            maps=torch.zeros(k, CHANNELS, *size),
            sheet=torch.zeros(k if sheet else 0, CHANNELS, ROWS, COLUMNS),
        )

    eyes, mouth = bounds_of(avatar, EYES, (1.15, 1.1)), bounds_of(avatar, LIPS, (2.2, 1.6))
    return Adapter(
        head=region(pose_view(), config.poses, whole, (side, side)),
        eyes=region(shape_view(face_model, EYES), config.eyes, eyes, map_size(eyes, config.eyes_cells)),
        mouth=region(
            shape_view(face_model, LIPS), config.mouths, mouth, map_size(mouth, config.mouth_cells), sheet=True
        ),
        colour=torch.zeros(6, height, width),
    )


def typical(seen: Tensor, view: Tensor, axes: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The code of a region: principal axes of what it looks at, and cluster centres along them.

    Args:
        seen: Features of all frames ``[T, F]``.
        view: What the region looks at, linear in the features ``[F, P]``.
        axes: D, at most.
        count: K, at most.

    Returns:
        Axes ``[D, F]``, origin ``[D]`` and centres ``[K, D]`` of :class:`mggtalk.avatar.adapter.Region`.
    """
    middle = seen.mean(0)
    directions = torch.linalg.svd((seen - middle) @ view, full_matrices=False)[2][:axes]  # [D, P]
    along = (view @ directions.T).T  # [D, F]
    places = (seen - middle) @ along.T  # [T, D]
    count = min(count, len(torch.unique(places, dim=0)))
    centres, nearest = kmeans2(places.double().numpy(), count, minit="++", seed=0)
    kept = torch.from_numpy(centres[np.unique(nearest)]).to(places)  # [K, D]
    distance = torch.cdist(places, kept).amin(1).square().mean().sqrt()
    scale = 1.0 / (WIDTH * distance).clamp(min=1e-3)
    return scale * along, scale * (along @ middle), scale * kept


def pose_view() -> Tensor:
    """The head's pose, in units of what differs, ``[F, 12]``."""
    view = torch.zeros(FEATURES, 12)
    units = torch.tensor((TURN,) * 9 + (SIDEWAYS, SIDEWAYS, NEARER))
    view[EXPRESSION_COMPONENTS:] = torch.diag(1.0 / units)
    return view


def shape_view(face_model: FaceModel, vertices: tuple[int, ...]) -> Tensor:
    """Select where some vertices are, as far as the expression moves them, ``[F, 3 V]``."""
    view = torch.zeros(FEATURES, 3 * len(vertices))
    view[:EXPRESSION_COMPONENTS] = face_model.expression_basis[:, list(vertices)].flatten(1)
    return view


def bounds_of(avatar: Avatar, vertices: tuple[int, ...], growth: tuple[float, float]) -> Tensor:
    """A rectangle of the position map around what hangs on some vertices.

    Args:
        avatar: The prepared portrait.
        vertices: Of the face model.
        growth: Height and width over those of what hangs there.

    Returns:
        ``[4]`` int64 first row, end row, first column, end column.
    """
    binding = avatar.binding
    held = (torch.isin(binding.vertices, torch.tensor(vertices)) * binding.weights).sum(1) > SHARE  # [N]
    places = torch.stack(avatar.cells, dim=1)[held].float()  # [Q, 2]
    low, high = places.amin(0), places.amax(0) + 1
    middle, half = (low + high) / 2, (high - low) / 2 * torch.tensor(growth)
    sides = torch.tensor(avatar.mask.shape)
    low = (middle - half).floor().long().clamp(min=0)
    high = (middle + half).ceil().long().minimum(sides)
    return torch.stack([low[0], high[0], low[1], high[1]])


def map_size(bounds: Tensor, most: int) -> tuple[int, int]:
    """Rows and columns of maps for a rectangle: one cell per pixel, or fewer so that there are ``most`` at most."""
    height, width = int(bounds[1] - bounds[0]), int(bounds[3] - bounds[2])
    scale = min(1.0, (most / (height * width)) ** 0.5)
    return max(1, int(height * scale)), max(1, int(width * scale))
