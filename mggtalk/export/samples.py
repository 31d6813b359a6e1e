"""Expressions at which a head is looked at, and what its blendshapes depend on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_heights
from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from mggtalk.motion.edit import Edit, blendshapes
from mggtalk.motion.retarget import close_lips

AMPLITUDES = (0.25, 0.8)
"""Standard deviations of the random part of an expression, smallest and largest; those of one talking person."""

LIPS = len(LIPS_INNER_UPPER)
"""Measures of the lips, from corner to corner; those of the two eyes and the mouth's width follow."""

LIP_KNEES = (0.02, 0.08, 0.18)
"""Gaps between the lips, decimetres, at which the course of a Gaussian may bend."""

LID_KNEES = (0.75, 0.5, 0.25, 0.0)
"""Shares of an eye's own opening at which it may bend as well."""

WIDTH_KNEES = (0.97, 0.85)
"""Shares of the mouth's own width."""


EDITS = (
    *(Edit(blink=0.5), Edit(blink=0.8), Edit(blink=1.0), Edit(jaw=0.25), Edit(jaw=0.5), Edit(jaw=1.0)),
    *(Edit(smile=0.4), Edit(smile=0.8), Edit(smile=1.0, jaw=0.4), Edit(smile=-0.8), Edit(brows=0.9, jaw=0.6)),
    *(Edit(gaze_x=25.0), Edit(gaze_x=-25.0), Edit(gaze_y=18.0), Edit(gaze_y=-18.0), Edit(smile=0.6, blink=0.9)),
)
"""Expressions that everybody tries first."""


class Measures(NamedTuple):
    """Gaps of the driven face, linear in the expression: ``start + slope (beta - beta_s)``, decimetres."""

    start: Tensor  # [G] the lips' gaps, the two eyes' openings, the mouth's width
    slope: Tensor  # [G, K]

    def of(self, change: Tensor) -> Tensor:
        """Measures ``[..., G]`` of a change of expression ``[..., K]``."""
        return self.start + change @ self.slope.T


class Knees(NamedTuple):
    """Places at which something begins: each gives the feature ``scale * max(0, sign (measure - place))``."""

    measure: Tensor  # [J, G] which measures are looked at, weights
    place: Tensor  # [J] decimetres
    sign: Tensor  # [J] 1 or -1
    scale: Tensor  # [J]


def measures_of(avatar: Avatar, face_model: FaceModel) -> Measures:
    """Dependence of the gaps of an avatar's face on the expression."""

    def read(vertices: Tensor) -> Tensor:
        def height(upper: tuple[int, ...], lower: tuple[int, ...]) -> Tensor:
            return vertices[..., list(upper), 1] - vertices[..., list(lower), 1]

        eyes = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))
        openings = [height(upper[2:-2], lower[2:-2]).mean(-1, keepdim=True) for upper, lower in eyes]
        corners = vertices[..., LIPS_INNER_UPPER[-1], 0] - vertices[..., LIPS_INNER_UPPER[0], 0]
        lips = lip_heights(vertices)  # [..., LIPS]
        return torch.cat([lips, *openings, corners.abs()[..., None]], dim=-1)

    start = face_model.vertices(avatar.identity, avatar.expression)  # [V, 3]
    steps = torch.eye(len(avatar.expression)).to(start)
    slope = torch.stack(
        [read(start + face_model.vertices(avatar.identity, avatar.expression + s) - start) for s in steps]
    )
    return Measures(read(start), (slope - read(start)).T.contiguous())


def knees_of(measures: Measures) -> Knees:
    """The places at which the Gaussians of a face begin to do something else: lips part, lids cover, an O rounds."""
    count = len(measures.start)
    rows, places, signs = [], [], []

    def add(weights: dict[int, float], place: float, sign: float) -> None:
        row = torch.zeros(count)
        for index, weight in weights.items():
            row[index] = weight
        rows.append(row)
        places.append(place)
        signs.append(sign)

    lips = {index: 1.0 / (LIPS - 4) for index in range(2, LIPS - 2)}
    for gap in LIP_KNEES:
        add(lips, gap, 1.0)
    for eye in (LIPS, LIPS + 1):
        for share in LID_KNEES:
            add({eye: 1.0}, share * float(measures.start[eye]), -1.0)
    for share in WIDTH_KNEES:
        add({LIPS + 2: 1.0}, share * float(measures.start[LIPS + 2]), -1.0)
    return Knees(torch.stack(rows), torch.tensor(places), torch.tensor(signs), torch.ones(len(rows)))


def features_of(change: Tensor, measures: Measures, knees: Knees) -> Tensor:
    """Collect what weights are linear in: the change of expression ``[..., K]``, then the knees, ``[..., K + J]``."""
    seen = measures.of(change) @ knees.measure.T  # [..., J]
    return torch.cat([change, knees.scale * (knees.sign * (seen - knees.place)).clamp(min=0.0)], dim=-1)


def _by_hand(face_model: FaceModel, edit: Edit) -> Tensor:
    """The change of expression ``[K]`` of an edit."""
    weights = torch.zeros(len(NAMES))
    for name, value in blendshapes(edit).items():
        weights[INDEX[name]] = value
    return face_model.from_blendshapes(weights) - face_model.from_blendshapes(torch.zeros(len(NAMES)))


def sample_expressions(avatar: Avatar, face_model: FaceModel, count: int, seed: int = 0) -> Tensor:
    """Expressions ``[count, K]`` that cover what a face does: single blendshapes, mixtures, and chance.

    The coefficients are in standard deviations, so chance is a normal distribution; its amplitude differs from one
    expression to the next, as a talking person stays nearer to the rest than people in general.
    """
    generator = torch.Generator().manual_seed(seed)
    rest = close_lips(face_model, avatar.identity, avatar.expression)
    steps = face_model.from_blendshapes(torch.eye(len(NAMES))[1:]) - face_model.from_blendshapes(
        torch.zeros(len(NAMES))
    )
    components = len(rest)
    found = [avatar.expression, rest, *(rest + _by_hand(face_model, edit) for edit in EDITS)]
    found += [rest + step * (0.5 + 0.5 * float(torch.rand(1, generator=generator))) for step in steps]
    low, high = AMPLITUDES
    while len(found) < count:
        amplitude = low + (high - low) * float(torch.rand(1, generator=generator))
        change = amplitude * torch.randn(components, generator=generator)
        if len(found) % 2:
            chosen = torch.rand(len(steps), generator=generator) * (torch.rand(len(steps), generator=generator) < 0.1)
            change = 0.5 * change + chosen @ steps
        found.append(rest + change)
    return torch.stack(found[:count])
