"""Soft head, neck and torso weights of a portrait, from the person matte and the face mesh.

All distances are measured in face heights (forehead top to chin, in the picture), along the axes of the face: x along
the line of the eyes, y down the face. The *rim* is the curve where the head ends: the jaw line in the middle, and the
level of the mouth beside the face, so that hair that lies on the shoulders belongs to the torso.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from mggtalk.face.regions import face_mask
from mggtalk.face.topology import FACE_OVAL

CROWN, CHIN = 10, 152  # forehead top and chin of the 478-vertex mesh
RIGHT_EAR, LEFT_EAR = 234, 454  # outermost vertices of the face oval

HIDDEN_NECK = (0.6, 0.9)
"""Half the width of a neck that hair or collar hides, over half that of the jaw: where it fades, and its end."""

JAW_WIDTH, JAW_MARGIN = 1.05, 0.01
"""The cheeks reach beyond the mesh: width of the rim over that of the face oval, and face heights below it."""

SIDE_LEVEL = 0.12
"""Level of the mouth, face heights below the middle of the face, at which the head ends beside the face: ear lobes are
above, shoulders and long hair below."""

HALF_SKULL, TURNED_SKULL = 0.36, 1.5
"""Half the width of a skull from the middle of the ears, face heights, and how much more of it is seen behind them by
how far they are off the middle of the face: heads that are turned by 25 to 60 degrees reach out by 0.5 to 0.6, hair
aside."""

STRAIGHT, OUTLINE = 0.05, 0.5
"""How far the middle of the ears is off that of a face that still counts as straight, face heights, and by how much the
far outline of the picture is beyond the landmarks, over what it is more."""

ASIDE, THROAT = 0.15, 0.2
"""How far the middle of the ears is off that of a face from which on its neck is seen from the side, and how far below
the chin the throat is as far before it as the neck is wide; face heights."""

FOLLOW_REACH = 1.1
"""Face heights below the rim over which the torso stops to follow the head."""

LEAST_PULL = 0.165
"""Face heights below the rim over which a head that hardly moves pulls its neck, at least: :data:`FOLLOW_REACH` times
``LEAST_REACH`` of :mod:`mggtalk.inpaint.follow`."""

NECK_ROWS = (0.05, 0.1, 0.15, 0.2, 0.25), (-0.1, -0.05, 0.0)
"""Face heights below the chin at which the width of the neck is looked at, as collars and shoulders only widen it; and
if these tell nothing, as a collar reaches up to the chin, those at which a wide neck is seen beside the jaw."""

NECKS = (0.6, 1.2)
"""Width of a neck over that of the jaw: what is wider is hair or shoulders, what is narrower a part of it; both tell
nothing."""

LOCKS = 0.2
"""Face heights below the level of the mouth that hanging hair reaches, at least."""

LOOSE, STRAND, THIN = 0.23, 0.32, 0.056
"""Face heights below the rim down to which what hangs beside the jaw and stands on nothing may reach: ear lobes, which
end between .03 and .22, and anything of half the width :data:`THIN` at most, strands and earrings. What is wider and
reaches lower is hair, which would be missed behind the jaw, or a hand."""

BELOW_CHIN = 0.12
"""Face heights below the chin at which the body is wherever it goes up beside the jaw: a beard, and the outline of a
turned face, reach below the chin and stand on nothing."""

SOFT = 0.02
"""Width of the soft edge of such parts, and of a neck, face heights."""

LEAST_REACH, LEAST_BLUR = 0.34, 0.042
"""Least reach, and blur, of that fall-off over the side of the picture. A small face may move by many of its own
heights: on a steeper fall-off the neck would fold over when the head moves by 15 % of the frame."""


class HeadMasks(NamedTuple):
    """Weights in [0, 1] on the pixels of a square portrait of side S, and their depth below the rim of the head."""

    person: np.ndarray  # [S, S] matte of the whole person
    head: np.ndarray  # [S, S] head with hair and ears, soft at the rim and at the hair
    torso: np.ndarray  # [S, S] what is not head, with the neck continued under the jaw
    follow: np.ndarray  # [S, S] how much a torso pixel goes with the head: 1 at the rim, 0 far below
    hanging: np.ndarray  # [S, S] what goes on to the shoulders without a gap: neck, long hair, what is before them
    neck: np.ndarray  # [S, S] where a neck stands behind the jaw
    parted: np.ndarray  # [S, S] the neck's edge at the jaw, and hair at the cheek, that head and torso both have
    beside: np.ndarray  # [S, S] the rest of the hair beside the face that both have
    behind: np.ndarray  # [S, S] where such hair goes on behind the cheeks
    strands: np.ndarray  # [S, S] where its colours are seen
    loose: np.ndarray  # [S, S] ear lobes and locks beside the jaw, which torso has in the portrait's view alone
    fringe: np.ndarray  # [S, S] hair, collar or shadow next to the jaw, which head has in the portrait's view alone
    depth: np.ndarray  # [S, S] face heights below the rim, see below_rim
    below_face: np.ndarray  # [S, S] the same, where what is behind the ears is not the head's

    @property
    def weights(self) -> tuple[np.ndarray, ...]:
        """All but the depths."""
        return self[:-2]

    @property
    def shed(self) -> np.ndarray:
        """What leaves the head next to the jaw as it turns ``[S, S]``."""
        return np.maximum(self.parted, self.fringe)


class FaceAxes(NamedTuple):
    """The face's own axes in the picture."""

    centre: np.ndarray  # [2] pixels, middle of the face oval
    x_axis: np.ndarray  # [2] unit, along the eyes to the viewer's right
    y_axis: np.ndarray  # [2] unit, down the face
    height: float  # pixels from forehead top to chin


def face_axes(landmarks: np.ndarray) -> FaceAxes:
    """Axes and size of a face from its landmarks ``[478, 2 or 3]`` in pixels."""
    points = landmarks[:, :2].astype(np.float64)
    x_axis = points[LEFT_EAR] - points[RIGHT_EAR]
    down = points[CHIN] - points[CROWN]
    height = float(np.linalg.norm(down))
    # A turned head shortens the ear line, a nodding one the crown-chin line: use both for the roll.
    x_axis = x_axis + np.array([down[1], -down[0]])
    x_axis /= np.linalg.norm(x_axis)
    return FaceAxes(points[list(FACE_OVAL)].mean(0), x_axis, np.array([-x_axis[1], x_axis[0]]), height)


def smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Cubic step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def face_coordinates(landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure x and y ``[S, S]`` of each pixel along the face's axes, in face heights from its middle."""
    axes = face_axes(landmarks)
    grid = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), axis=-1)  # [S, S, 2] x, y
    offset = (grid - axes.centre) / axes.height
    return offset @ axes.x_axis, offset @ axes.y_axis


def down_the_face(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Measure each pixel's way down the face from its middle: ``[S, S]`` in face heights."""
    return face_coordinates(landmarks, size)[1]


def below_rim(landmarks: np.ndarray, size: int, behind: bool = True) -> np.ndarray:
    """Measure the depth of each pixel below the rim of the head.

    Args:
        landmarks: ``[478, 2 or 3]`` pixels.
        size: Side S of the picture.
        behind: Whether what is seen of a turned head behind its ears belongs to it.

    Returns:
        ``[S, S]`` in face heights; negative inside the head.
    """
    axes = face_axes(landmarks)
    x, y = face_coordinates(landmarks, size)
    jaw_x, jaw_y = _jaw_line(landmarks, axes)
    jaw_x = jaw_x.mean() + JAW_WIDTH * (jaw_x - jaw_x.mean())
    rim = np.interp(x, jaw_x, jaw_y, left=SIDE_LEVEL, right=SIDE_LEVEL)
    ears = middle_of_ears(landmarks, axes)
    if abs(ears) > STRAIGHT:  # the outline rises to an ear that is seen whole, with the hair behind it
        rim = np.maximum(rim, SIDE_LEVEL)
    # Far beside the head nothing below the eyes belongs to it; of a turned one the skull reaches out behind the ears.
    half = 0.5 * (jaw_x[-1] - jaw_x[0])
    left, right = jaw_x[0], jaw_x[-1]
    if behind:
        left = min(left, ears - HALF_SKULL - TURNED_SKULL * max(0.0, -ears))
        right = max(right, ears + HALF_SKULL + TURNED_SKULL * max(0.0, ears))
    beyond = np.maximum(left - x, x - right)
    rim = rim - 0.5 * smoothstep(beyond, 0.4 * half, 1.4 * half)
    return y - rim


def middle_of_ears(landmarks: np.ndarray, axes: FaceAxes) -> float:
    """Place between the ears along the eyes, face heights from the middle of the face: a turned head's is off it."""
    return float(((landmarks[[RIGHT_EAR, LEFT_EAR], :2] - axes.centre) @ axes.x_axis).mean()) / axes.height


def _jaw_line(landmarks: np.ndarray, axes: FaceAxes) -> tuple[np.ndarray, np.ndarray]:
    """Lower outline of the face in its own axes, face heights from its middle: x in ascending order, and y.

    The hull of all landmarks, not the face's oval: lips and chin of a turned face stand out beyond its far cheek, and
    its outline in the picture a little beyond them.
    """
    places = (landmarks[:, :2] - axes.centre) / axes.height  # [478, 2]
    ears = middle_of_ears(landmarks, axes)
    ahead = -np.sign(ears) * OUTLINE * max(0.0, abs(ears) - STRAIGHT) * axes.x_axis
    places = np.concatenate([places, places + ahead])  # [956, 2]
    outline = places[ConvexHull(places).vertices]  # [Q, 2]
    x, y = outline @ axes.x_axis, outline @ axes.y_axis
    lower = y > np.median(places[list(FACE_OVAL)] @ axes.y_axis)
    order = np.argsort(x[lower])
    return x[lower][order], y[lower][order] + JAW_MARGIN


def between(weight: np.ndarray) -> np.ndarray:
    """Close a mask ``[S, S]`` along its rows: what lies between two parts, as between neck and hair, joins them."""
    left = np.maximum.accumulate(weight, axis=1)
    right = np.maximum.accumulate(weight[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(left, right)


def neck_edges(matte: np.ndarray, x: np.ndarray, y: np.ndarray, chin: float, half: float) -> tuple[float, float] | None:
    """Find the edges of the neck where it is narrowest; None where it is not seen on both sides.

    Args:
        matte: Person alpha ``[S, S]``.
        x: ``[S, S]`` along the eyes from below the middle of the ears, face heights.
        y: ``[S, S]`` down the face.
        chin: The chin's y.
        half: Half the width of the jaw, face heights.

    Returns:
        Left and right edge in the picture, face heights along x.
    """
    for rows in NECK_ROWS:
        found = []
        for below in rows:
            row = np.abs(y - chin - below) < 0.02
            out = x[row & (matte < 0.5)]  # [K] what is beside the person
            left, right = out[out < 0.0], out[out > 0.0]
            if len(left) and len(right):
                found.append((float(left.max()), float(right.min())))
        edges = min(found, key=lambda edges: edges[1] - edges[0], default=(0.0, 0.0))
        if NECKS[0] < 0.5 * (edges[1] - edges[0]) / half < NECKS[1]:
            return edges
    return None


def neck_column(
    matte: np.ndarray, x: np.ndarray, y: np.ndarray, chin: float, half: float, ears: float = 0.0
) -> np.ndarray:
    """Weigh each pixel by whether a neck can be above or below it: ``[S, S]`` in [0, 1].

    Args:
        matte: Person alpha ``[S, S]``.
        x: See :func:`neck_edges`.
        y: See :func:`neck_edges`.
        chin: See :func:`neck_edges`.
        half: See :func:`neck_edges`.
        ears: See :func:`middle_of_ears`. A throat goes back from below the chin to below the ears; of a turned face
            that is the far side of the column.
    """
    throat = half * (1.0 - min(1.0, abs(ears) / ASIDE) * (1.0 - np.clip(y / (chin + THROAT), 0.0, 1.0)))  # [S, S]
    before = smoothstep(throat + np.sign(ears) * x, 0.0, SOFT)  # [S, S]
    edges = neck_edges(matte, x, y, chin, half)
    if edges is None:
        return before * (1.0 - smoothstep(np.abs(x) / half, *HIDDEN_NECK))
    left, right = max(edges[0], -half), min(edges[1], half)
    return before * smoothstep(x - left, 0.0, SOFT) * smoothstep(right - x, 0.0, SOFT)


def standing(matte: np.ndarray, floor: int) -> np.ndarray:
    """Keep of a matte ``[S, S]`` what stands on its row ``floor`` without a gap: neck and long hair, but no ears."""
    above = np.minimum.accumulate(matte[floor::-1], axis=0)[::-1]
    return np.concatenate([above, matte[floor + 1 :]])


def loose_parts(
    matte: np.ndarray, stands: np.ndarray, depth: np.ndarray, face: np.ndarray, height: float
) -> np.ndarray:
    """Find what hangs from the head beside the jaw without reaching the body: the torso must not keep it.

    Args:
        matte: Person alpha ``[S, S]``.
        stands: What of it stands on a row below the chin, see :func:`standing`.
        depth: Face heights below the rim ``[S, S]``.
        face: ``[S, S]`` in [0, 1].
        height: Of the face, pixels.

    Returns:
        ``[S, S]`` bool.
    """
    apart = (matte > 0.05) & (stands < 0.5 * matte) & (depth > -0.1) & (face < 0.5)
    solid = apart & (matte > 0.5)  # a halo of the matte is no ear
    labels, count = ndimage.label(solid, np.ones((3, 3)))
    if not count:
        return solid
    lowest = ndimage.maximum(depth, labels, np.arange(count + 1))
    width = ndimage.maximum(ndimage.distance_transform_edt(solid), labels, np.arange(count + 1)) / height
    loose = lowest < np.where(width < THIN, STRAND, LOOSE)
    loose[0] = False
    around = ndimage.binary_dilation(loose[labels], np.ones((3, 3)), max(1, round(SOFT * height)))
    under = (face > 0.5) & (stands < 0.5 * matte) & (depth > -0.1)  # nor what lies under the rim of the face there
    return (apart & around) | under


def follow_weight(depth: np.ndarray, height: float) -> np.ndarray:
    """Compute how much a torso goes with its head: ``[S, S]`` in [0, 1].

    Args:
        depth: Face heights below where the pull begins to fall, ``[S, S]``.
        height: Of the face, pixels.
    """
    size = len(depth)
    reach = max(FOLLOW_REACH, LEAST_REACH * size / height)
    blur = max(0.08 * height, LEAST_BLUR * size)  # the rim jumps where the jaw ends; the neck must not shear there
    follow = ndimage.gaussian_filter(1.0 - smoothstep(depth, 0.0, reach), blur, mode="nearest")
    return follow.astype(np.float32)


def head_masks(matte: np.ndarray, landmarks: np.ndarray) -> HeadMasks:
    """Split the person into head and torso.

    Args:
        matte: Person alpha ``[S, S]`` in [0, 1].
        landmarks: ``[478, 2 or 3]`` pixels of that square.

    Returns:
        The soft weights.
    """
    size = matte.shape[0]
    axes = face_axes(landmarks)
    depth = below_rim(landmarks, size)
    face = face_mask(landmarks, size, size)
    x, y = face_coordinates(landmarks, size)
    chin_column, chin_row = (int(np.clip(value, 0, size - 1)) for value in landmarks[CHIN, :2])
    jaw = landmarks[list(FACE_OVAL), :2]
    jaw_x = (jaw - axes.centre) @ axes.x_axis / axes.height
    middle, half = 0.5 * (jaw_x.max() + jaw_x.min()), 0.5 * (jaw_x.max() - jaw_x.min())
    # A neck stands under the ears, behind the face: of a turned head, to the side that it has turned away from.
    under = middle_of_ears(landmarks, axes)
    column = neck_column(matte, x - under, y, float(y[chin_row, chin_column]), half, under)
    hidden = column * smoothstep(depth, -0.42, -0.30) * smoothstep(y, -0.1, 0.0)  # and not above the ears
    long_hair = standing(matte, chin_row)
    hair_row = int(np.clip(axes.centre[1] + (SIDE_LEVEL + LOCKS) * axes.height, 0, chin_row))
    floor = min(size - 1, chin_row + round(BELOW_CHIN * axes.height))
    loose = loose_parts(matte, standing(matte, floor), depth, face, axes.height)
    head = matte * np.maximum(1.0 - smoothstep(depth, 0.0, 0.10) * ~loose, face)
    below = matte * smoothstep(depth, -0.04, -0.01)
    torso = np.maximum(below * ~loose, matte * hidden)
    aside = smoothstep(np.abs(x - middle), 0.95 * half, 1.05 * half)
    torso = np.maximum(torso, matte * between(torso * long_hair))
    wider = matte * aside * smoothstep(depth, -0.2, -0.06) * long_hair  # a cheek or a neck beyond the jaw of the model
    below_face = below_rim(landmarks, size, behind=False)  # a shoulder behind the ears follows no more than others
    return HeadMasks(
        person=matte.astype(np.float32),
        head=head.astype(np.float32),
        torso=torso.astype(np.float32),
        follow=follow_weight(below_face, axes.height),
        hanging=(standing(matte, hair_row) * (np.abs(x - middle) > 0.7 * half)).astype(np.float32),
        neck=(matte * hidden).astype(np.float32),
        parted=(smoothstep(depth, 0.0, SOFT) * (1.0 - aside) * ~loose).astype(np.float32),
        beside=np.zeros((size, size), np.float32),
        behind=np.zeros((size, size), np.float32),
        strands=np.zeros((size, size), np.float32),
        loose=np.maximum(below * loose, wider - torso).astype(np.float32),
        fringe=np.zeros((size, size), np.float32),
        depth=depth.astype(np.float32),
        below_face=below_face.astype(np.float32),
    )
