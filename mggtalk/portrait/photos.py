"""Further photos of the same person: where each of them shows the points of an avatar, and how well.

The avatar, of the first photo, is brought into the expression and the pose of the further one; its landmarks are drawn
to those that were tracked there. A point's colour then stands where the point projects, if nothing is before it, the
photo looks at the surface from the front, and lids and lips are where the point belongs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.adapter import FEATURES
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.photo_layers import blur_points
from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.face import topology
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import FLIP, constant, head_to_camera, project
from mggtalk.motion.deformation import Driven
from mggtalk.nets.maps import erode, step, to_colour_map
from mggtalk.scene import MotionFrame
from mggtalk.sgp.footprint import footprint

EYES = tuple(sorted({*topology.RIGHT_EYE, *topology.LEFT_EYE, *topology.RIGHT_IRIS, *topology.LEFT_IRIS}))
REST = tuple(vertex for vertex in range(topology.MESH_VERTICES) if vertex not in (*EYES, *topology.LIPS))
PARTS = (REST, EYES, topology.LIPS)
"""Vertices that tell which photo each region takes, in the order of :data:`mggtalk.avatar.photo_layers.REGIONS`."""

WAYS = (0.0057, 0.0035, 0.0057)
"""Decimetres, root mean square over these vertices, by which an expression differs from another as from the next
photo: the unit of a code."""

TURNS = (0.028, 0.05, 0.05)
"""The same for the turn of the head, radians."""

AROUND = ((0.1, 0.3), (0.15, 0.4))
"""Decimetres from the eyes and from the lips up to which a point is theirs, and from which it is the face's."""

INSIDE = (0.7, 0.98)
"""Weight of the head at which its soft edge begins to be free of the background, and is."""

HIDDEN = (0.15, 0.3)
"""Decimetres behind what the photo shows at which a point begins to be hidden, and is."""

FACING = (0.15, 0.4)
"""Cosine to the line of sight at which a surface begins to be seen, and is seen well."""

ALIKE = (0.08, 0.16)
"""Difference of mean colours up to which hair is where the first photo has it, and from which it is not."""

DOUBLE, GROWN = (0.05, 0.12), 2
"""Difference of colours, less their means, at which the face is not drawn twice yet, and is; and the pixels of the
position map around it that count as well."""

OTHER_LIGHT = (0.022, 0.035)
"""Differences of the light (:func:`compare_light`) up to which two photos are one picture, where a patchwork is worse
than an edge, and from which they are not."""

CELLS = 128
"""Side of the grid on which the nearest point wins."""

GAINS = (0.6, 1.6)
"""Gains, at most, that bring a photo's colours to those of the first."""

OUTLYING = 0.05
"""Difference of a colour at which a point counts half when two photos' colours are matched: it has changed."""


class Photo(NamedTuple):
    """A further photo."""

    picture: Tensor  # [3, S, S] RGB in [0, 1], square
    landmarks: Tensor  # [V, 2] its pixels
    head: Tensor  # [S, S] weight of the head
    frame: MotionFrame  # its expression and pose, with the identity of all photos
    focal: float  # pixels

    @property
    def size(self) -> int:
        """S."""
        return self.picture.shape[-1]

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels ``[N, 2]`` of head-frame points ``[N, 3]``, and their places in the camera frame ``[N, 3]``."""
        in_camera = head_to_camera(points, self.frame.rotation, self.frame.translation)
        return project(in_camera, self.focal, (self.size / 2, self.size / 2)), in_camera

    def colours_at(self, pixels: Tensor) -> Tensor:
        """RGB ``[N, 3]`` at pixels ``[N, 2]``."""
        return to_colour_map(self.picture, pixels, self.size)


def region_axes(face_model: FaceModel) -> Tensor:
    """Axes of the codes of all regions, ``[3, D, F]``.

    The distance of two codes is that of the two expressions, as the way of the region's vertices in units of
    :data:`WAYS`, and of the two poses in units of :data:`TURNS`.
    """
    axes = torch.zeros(len(PARTS), EXPRESSION_COMPONENTS + 9, FEATURES)
    for region, (vertices, way, turn) in enumerate(zip(PARTS, WAYS, TURNS)):
        basis = face_model.expression_basis[:, list(vertices)].flatten(1)  # [K, 3 n]
        values, vectors = torch.linalg.eigh(basis @ basis.T / (len(vertices) * way**2))
        axes[region, :EXPRESSION_COMPONENTS, :EXPRESSION_COMPONENTS] = (values.clamp(min=0).sqrt() * vectors).T
        rotation = torch.eye(9) / (2**0.5 * turn)  # |R_1 - R_2|^2 is about 2 angle^2
        axes[region, EXPRESSION_COMPONENTS:, EXPRESSION_COMPONENTS : EXPRESSION_COMPONENTS + 9] = rotation
    return axes


def part_regions(points: Tensor, vertices: Tensor) -> Tensor:
    """Share of each region in points ``[N, 3]`` of a face with the vertices ``[V, 3]``: ``[3, N]``, sums 1."""
    eyes, lips = (torch.cdist(points, vertices[list(part)]).amin(1) for part in (EYES, topology.LIPS))
    eyes, lips = (1.0 - step(distance, *reach) for distance, reach in zip((eyes, lips), AROUND))
    return torch.stack([(1.0 - eyes) * (1.0 - lips), eyes, (1.0 - eyes) * lips])


def draw_landmarks(photo: Photo, vertices: Tensor) -> Tensor:
    """Shift of a fitted mesh ``[V, 3]``, head frame, that brings its vertices to the photo's landmarks."""
    pixels, in_camera = photo.project(vertices)
    off = (photo.landmarks - pixels) * in_camera[:, 2:] / photo.focal  # [V, 2] decimetres
    return F.pad(off, (0, 1)) * constant(FLIP, off) @ photo.frame.rotation  # [V, 3]


def find_openings(photo: Photo) -> Tensor:
    """Soft masks ``[3, S, S]`` of what stands open: the right eye, the left eye, the lips."""
    pairs = (
        (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER),
        (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER),
        (topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER),
    )
    masks = []
    for upper, lower in pairs:
        outline = photo.landmarks[[*upper, *lower[::-1]]] - 0.5  # Pillow counts from the centre of the first pixel
        mask = Image.new("L", (photo.size, photo.size))
        ImageDraw.Draw(mask).polygon([tuple(corner) for corner in outline.tolist()], fill=255)
        masks.append(np.asarray(mask.filter(ImageFilter.GaussianBlur(photo.size / 512)), np.float32) / 255.0)
    return torch.from_numpy(np.stack(masks))


def weigh_sight(avatar: Avatar, driven: Driven, photo: Photo, openings: Tensor, first: Tensor) -> Tensor:
    """Weigh how well a photo shows the points of an avatar that is driven like it.

    Args:
        avatar: Of the first photo.
        driven: Its geometry with the photo's expression.
        photo: The further one.
        openings: Of :func:`find_openings`.
        first: RGB ``[N, 3]`` of the points in the first photo.

    Returns:
        ``[N]`` in [0, 1].
    """
    pixels, in_camera = photo.project(driven.points)
    weight = step(to_colour_map(photo.head[None], pixels, photo.size)[:, 0], *INSIDE)  # [N]
    weight = weight * ((pixels >= 0) & (pixels <= photo.size)).all(-1)
    weight = weight * (1.0 - step(_behind(driven, photo), *HIDDEN))
    surface = footprint(driven.points, avatar.neighbours, float(avatar.pixel_size))
    normal = F.normalize(torch.linalg.cross(surface.tangent_u, surface.tangent_v), dim=-1)
    normal = normal @ photo.frame.rotation.mT * constant(FLIP, normal)  # [N, 3] camera frame
    weight = weight * step((F.normalize(in_camera, dim=-1) * normal).sum(-1).abs(), *FACING)
    right, left, lips = to_colour_map(openings, pixels, photo.size).unbind(-1)  # [N] each
    closed = (2.0 * (1.0 - torch.stack([right, left, lips]).amax(0))).clamp(max=1.0)
    part = avatar.binding.part[:, None]
    weight = weight * torch.stack([closed, right, left, lips, lips], dim=-1).gather(1, part)[:, 0]
    apart = (blur_points(avatar, photo.colours_at(pixels)) - blur_points(avatar, first)).abs().amax(-1)  # [N]
    held = avatar.binding.weights.sum(-1).clamp(0.0, 1.0)  # [N] by the face; beyond it hair may have moved
    held = held + (1.0 - held) * (1.0 - step(apart, *ALIKE))
    weight = weight * torch.where(avatar.binding.part == Part.SKIN, held, 1.0)
    around = F.avg_pool2d(erode(avatar.position_map(weight[:, None]), 1), 5, 1, 2)  # [1, H, W]
    return torch.minimum(weight, avatar.from_map(around)[:, 0])


def compare_light(avatar: Avatar, own: Tensor, first: Tensor, weight: Tensor) -> Tensor:
    """Measure how unlike the light of two photos is: the mean difference of their colours without detail.

    Args:
        avatar: Of the first photo.
        own: RGB of the points in the further one ``[N, 3]``, its colours matched.
        first: The same in the first photo.
        weight: Points that count ``[N]``.
    """
    apart = (blur_points(avatar, own) - blur_points(avatar, first)).abs().mean(1)  # [N]
    return (weight * apart).sum() / weight.sum().clamp(min=1e-6)


def find_double(avatar: Avatar, own: Tensor, first: Tensor) -> Tensor:
    """Find where two photos would be seen one over the other: glasses, strands and edges that lie elsewhere.

    Light and folds differ softly; what differs sharply is to stay as the first photo has it.

    Args:
        avatar: Of the first photo.
        own: RGB of the points in the further one ``[N, 3]``, its colours matched.
        first: The same in the first photo.

    Returns:
        ``[N]`` in [0, 1].
    """
    apart = ((own - blur_points(avatar, own)) - (first - blur_points(avatar, first))).abs().amax(-1)  # [N]
    double = avatar.position_map(step(apart, *DOUBLE)[:, None])  # [1, H, W]
    double = F.avg_pool2d(F.max_pool2d(double, 2 * GROWN + 1, 1, GROWN), 5, 1, 2)
    return avatar.from_map(double)[:, 0]


def _behind(driven: Driven, photo: Photo) -> Tensor:
    """Decimetres ``[N]`` by which points lie behind the nearest one of their cell."""
    pixels, in_camera = photo.project(torch.cat([driven.points, driven.mirrored]))
    column, row = (pixels / photo.size * CELLS).long().clamp(0, CELLS - 1).unbind(-1)
    cell, depth = row * CELLS + column, in_camera[:, 2]  # [N + M]
    nearest = depth.new_full((CELLS * CELLS,), float("inf")).scatter_reduce(0, cell, depth, "amin")
    return (depth - nearest[cell])[: len(driven.points)]


def match_colours(colour: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Find the gain of each channel, exposure and white balance, ``wanted ~ gain * colour``.

    No offset: what moves a little between two photos makes regressions flat, and faces pale.

    Args:
        colour: RGB of a photo's points ``[N, 3]``.
        wanted: Of the same points in the first photo.
        weight: ``[N]`` in [0, 1].

    Returns:
        ``[3]``.
    """
    gain, share = torch.ones(3), weight[:, None]  # [N, 1]
    for _ in range(4):
        gain = ((share * colour * wanted).sum(0) / (share * colour.square()).sum(0).clamp(min=1e-6)).clamp(*GAINS)
        apart = (gain * colour - wanted).abs().mean(-1, keepdim=True)  # [N, 1]
        share = weight[:, None] / (1.0 + (apart / OUTLYING).square())
    return gain
