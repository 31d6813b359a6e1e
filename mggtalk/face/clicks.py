"""A face that no detector finds, such as a painted or a carved one: its mesh is placed by a few clicked points.

Pose, identity and expression of the landmark 3DMM are those that bring its vertices nearest to the clicks, with the
model's own spread as the prior::

    min  sum_i |project(V_i(identity, expression)) - click_i|^2 / sigma^2 + |identity|^2 + |expression|^2 / e^2

What is left between vertices and clicks is spread over the mesh smoothly, so that clicked vertices are where they were
clicked.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from scipy.optimize import least_squares

from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.points import POINTS, Points, check_points
from mggtalk.face.tracker import FaceTracker
from mggtalk.geometry import euler_to_rotation, head_to_camera, project
from mggtalk.scene import FaceTrack

SIGMA = 0.02
"""Standard deviation of a click, over the distance of the eyes."""

CALM = 0.5
"""Standard deviation of the expression of a portrait, in those of the face model."""

COMPONENTS = 12
"""Leading components of identity and of expression that so few points can tell."""


def find_face(
    tracker: FaceTracker,
    image: np.ndarray,
    face: int | None,
    points: Points | None,
    face_model: FaceModel,
    focal_ratio: float,
) -> FaceTrack:
    """The face of a portrait ``[H, W, 3]``: by its points where they are given, else found by the tracker."""
    if points is None:
        return tracker.still(image, face=face)
    return place_mesh(points, face_model, image.shape[1], image.shape[0], focal_ratio)


def place_mesh(points: Points, face_model: FaceModel, width: int, height: int, focal_ratio: float) -> FaceTrack:
    """Place the mesh of a face by clicked points.

    Args:
        points: In the order of :data:`mggtalk.face.points.POINTS`, x and y in pixels, seven at least.
        face_model: The landmark 3DMM.
        width: Of the picture.
        height: Of the picture.
        focal_ratio: Focal length over the longer side of the picture.

    Returns:
        A track of one frame, as the tracker would give it.

    Raises:
        OptionError: If there are too few or too many points, one lies outside, or they are no face.
    """
    clicks = check_points(points, width, height)  # [n, 2]
    vertices = [vertex for _, vertex in POINTS][: len(clicks)]
    side, centre = float(max(width, height)), (width / 2, height / 2)
    eyes = float(np.linalg.norm(clicks[3] - clicks[0]))
    spread = (face_model.mean[vertices[3]] - face_model.mean[vertices[0]]).norm()
    depth = float(spread) * focal_ratio * side / eyes  # decimetres
    along = clicks[3] - clicks[0]
    aside = (clicks.mean(0) - centre) / (focal_ratio * side) * depth  # [2] decimetres, x right, y down
    start = np.zeros(6 + 2 * COMPONENTS)
    start[2], start[3:6] = -math.atan2(along[1], along[0]), (*aside, depth)

    def place(values: np.ndarray) -> np.ndarray:
        """All vertices in pixels and, over the focal length, their depth: ``[478, 3]``."""
        sides = torch.from_numpy(values).float()
        identity = torch.zeros(len(face_model.identity_basis))
        expression = torch.zeros(len(face_model.expression_basis))
        identity[:COMPONENTS], expression[:COMPONENTS] = sides[6 : 6 + COMPONENTS], sides[6 + COMPONENTS :]
        shape = face_model.vertices(identity, expression)  # [478, 3]
        in_camera = head_to_camera(shape, euler_to_rotation(sides[:3]), sides[3:6])
        pixels = project(in_camera, focal_ratio * side, centre)  # [478, 2]
        deep = (in_camera[:, 2:] - sides[5]) / sides[5] * focal_ratio * side
        return torch.cat([pixels, deep], dim=-1).double().numpy()

    def misses(values: np.ndarray) -> np.ndarray:
        way = (place(values)[vertices, :2] - clicks) / (SIGMA * eyes)
        return np.concatenate([way.ravel(), values[6 : 6 + COMPONENTS], values[6 + COMPONENTS :] / CALM])

    scale = np.concatenate([np.full(3, 0.1), np.full(3, 0.1 * depth), np.ones(2 * COMPONENTS)])
    found = least_squares(misses, start, x_scale=scale, diff_step=1e-3, max_nfev=60)
    mesh = place(found.x)  # [478, 3]
    left = clicks - mesh[vertices, :2]
    if float(np.abs(left).max()) > 0.5 * eyes:
        order = ", ".join(name for name, _ in POINTS)
        raise OptionError("The points do not lie like those of a face.", f"Click in this order: {order}.")
    mesh[:, :2] += RBFInterpolator(mesh[vertices, :2], left, kernel="thin_plate_spline", degree=1)(mesh[:, :2])
    scores = face_model.rest_weights.numpy()[None].astype(np.float32)  # [1, 52]
    return FaceTrack(mesh[None].astype(np.float32), scores, np.ones(1, bool), fps=25.0, width=width, height=height)
