"""The 478-vertex face mesh: named vertices, triangles and the mirror permutation.

Right and left are the subject's. Vertices 0..467 are Google's canonical face mesh, 468..472 the right iris (centre and
four points of its rim) and 473..477 the left one. Pairs of curves, such as upper and lower lip, run from the same
corner to the same corner.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

import numpy as np

from mggtalk.face import assets

VERTICES = 478
MESH_VERTICES = 468
TRIANGLES = 898

# fmt: off
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
"""Closed outline, from the forehead's top over the subject's left temple and the chin."""

LIPS_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIPS_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LIPS_INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIPS_INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
UPPER_LIP_MIDDLES = (11, 12, 72, 38, 302, 268)  # between the inner and the outer edge, beside the middle
LOWER_LIP_MIDDLES = (15, 16, 86, 85, 316, 315)
LIPS = tuple(sorted({*LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER, *LIPS_INNER_UPPER, *LIPS_INNER_LOWER}))

RIGHT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_EYE_UPPER = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LEFT_EYE_LOWER = (263, 249, 390, 373, 374, 380, 381, 382, 362)
RIGHT_EYE = tuple(sorted({*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER}))
LEFT_EYE = tuple(sorted({*LEFT_EYE_UPPER, *LEFT_EYE_LOWER}))

RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)

RIGHT_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
LEFT_BROW = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
"""Closed outlines, lower edge from the temple inward, upper edge back."""

RIGID = (
    10, 151, 9, 8, 168, 6, 197, 195, 109, 338, 67, 297, 103, 332, 108, 337, 69, 299, 104, 333, 54, 284, 21, 251,
    162, 389, 127, 356, 234, 454, 193, 417, 122, 351, 196, 419, 245, 465, 188, 412, 174, 399, 33, 263, 133, 362,
    130, 359, 243, 463, 226, 446, 35, 265, 31, 261, 143, 372, 156, 383, 34, 264, 227, 447,
)
"""Vertices that barely move with the expression: forehead, temples, bridge of the nose, corners of the eyes."""

BLENDSHAPE_INPUT = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
"""The 146 landmarks that the blendshape network sees."""
# fmt: on

_IRIS_MIRROR = (473, 476, 475, 474, 477, 468, 471, 470, 469, 472)
"""Mirror images of vertices 468..477: the rim runs the other way round in the mirror."""


@functools.cache
def canonical_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of Google's canonical face.

    Returns:
        ``[468, 3]`` float32 centimetres (x to the viewer's right, y up, z toward the viewer) and ``[898, 3]`` int64;
        both read-only.

    Raises:
        WeightsMissingError: If the archive that holds them is not available.
    """
    metadata = _fields(assets.members()[assets.GEOMETRY])
    mesh = next(value for number, value in metadata if number == 1 and isinstance(value, bytes))
    numbers = list(_fields(mesh))
    rows = np.array([value for number, value in numbers if number == 3], np.float32).reshape(-1, 5)  # x y z u v
    faces = np.array([value for number, value in numbers if number == 4], np.int64).reshape(-1, 3)
    vertices = rows[:, :3].copy()
    vertices.setflags(write=False)
    faces.setflags(write=False)
    return vertices, faces


def triangles() -> np.ndarray:
    """Triangles of the mesh, ``[898, 3]`` int64; the irises have none."""
    return canonical_mesh()[1]


@functools.cache
def mirror_permutation() -> np.ndarray:
    """Mirror images of the vertices at the symmetry plane: vertex ``m[i]`` is that of ``i``; ``[478]`` int64."""
    vertices = canonical_mesh()[0]
    flipped = vertices * np.array([-1.0, 1.0, 1.0], np.float32)
    distance = ((flipped[:, None] - vertices[None]) ** 2).sum(-1)  # [468, 468]
    mirror = np.concatenate([distance.argmin(1), np.array(_IRIS_MIRROR)])  # [478]
    mirror.setflags(write=False)
    return mirror


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Field numbers and values of a protocol-buffer message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield number, value
        elif kind == 2:
            length, position = _varint(message, position)
            yield number, message[position : position + length]
            position += length
        elif kind == 5:
            yield number, struct.unpack_from("<f", message, position)[0]
            position += 4
        elif kind == 1:
            yield number, struct.unpack_from("<d", message, position)[0]
            position += 8
        else:
            raise ValueError(f"unknown wire type {kind}")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """A variable-length integer and the position behind it."""
    result = shift = 0
    while True:
        byte = message[position]
        position += 1
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, position


UPPER_LIDS = (*RIGHT_EYE_UPPER[1:-1], *LEFT_EYE_UPPER[1:-1])


LOWER_LIDS = (*RIGHT_EYE_LOWER[1:-1], *LEFT_EYE_LOWER[1:-1])
