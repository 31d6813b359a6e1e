"""Gaussian blendshapes of an avatar, by least squares from sampled predictions.

With ``x(beta)`` the features of an expression (:mod:`mggtalk.export.samples`), every attribute ``a`` (place, logarithm
of the scales, colour) of every Gaussian is fitted as ``a = a_0 + W x``. A singular value decomposition then gives the
few shapes that all Gaussians share: ``W x = sum_k (P x)_k B_k``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.animate.head import PortraitHead
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.export.samples import Knees, Measures, features_of, knees_of, measures_of, sample_expressions
from mggtalk.render.constants import SH_0
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Gaussians

SAMPLES = 240
"""Expressions that are looked at."""

RIDGE = 0.02
"""Weight of the coefficients' squares, over that of one sample in each direction."""

LEAST_SPREAD = 0.01
"""Decimetres by which knees are scaled at least: one that no sample bends must not explode later."""

SHEET = ROWS * COLUMNS
"""Gaussians of the mouth, the last ones."""

RANKS = {"head": (40, 14, 16), "mouth": (24, 8, 24)}
"""Shapes of place, scale and colour."""

ATTRIBUTES = ("place", "scale", "colour")


class Shapes(NamedTuple):
    """Shapes of one attribute of n Gaussians."""

    weights: Tensor  # [D, k] features to weights
    shapes: Tensor  # [k, n, 3]


class Group(NamedTuple):
    """Gaussians that are driven together; constants are those of the portrait's own expression."""

    place: Tensor  # [n, 3] decimetres, head frame
    scale: Tensor  # [n, 3] logarithm of the standard deviations
    colour: Tensor  # [n, 3] RGB
    harmonics: Tensor  # [n, 3, 3] degree 1
    quaternions: Tensor  # [n, 4]
    opacities: Tensor  # [n]
    shapes: dict[str, Shapes]  # by attribute; empty where nothing moves


class GaussianBlendshapes(NamedTuple):
    """A head that can be driven without networks."""

    head: Group
    back: Group
    mouth: Group
    measures: Measures
    knees: Knees
    closed_gap: float  # decimetres between the lips below which the mouth is hidden


def fit_blendshapes(
    animator: Animator, samples: int = SAMPLES, on_progress: Progress = no_progress, seed: int = 0
) -> GaussianBlendshapes:
    """Fit the blendshapes of an animator's avatar.

    Args:
        animator: Of the size whose Gaussians are wanted: without children up to the side of the position map.
        samples: Expressions to look at.
        on_progress: Called with stage, steps done and steps in all.
        seed: Of the expressions.
    """
    maker = animator.head
    assert isinstance(maker, PortraitHead), "only heads that are made of a portrait are fitted"
    avatar, face_model = maker.avatar, maker.face_model
    expressions = sample_expressions(avatar, face_model, samples, seed)
    measures = measures_of(avatar, face_model)
    knees = knees_of(measures)
    seen: dict[str, list[Tensor]] = {name: [] for name in ("head", "mouth")}
    count = len(maker.splats(avatar.source).gaussians.means) - SHEET
    back = count - len(avatar.back.means)
    base: Gaussians | None = None
    visible = torch.zeros(samples, dtype=torch.bool)
    for index, expression in enumerate(expressions):
        on_progress("blendshapes", index, samples)
        splats = animator.fast_splats(expression)
        if base is None:
            base = Gaussians(*(field.clone() for field in splats))
        seen["head"].append(_attributes(splats, slice(0, back)))
        if len(splats.means) == count + SHEET and bool((splats.opacities[count:] > 0.003).any()):
            visible[index] = True
            seen["mouth"].append(_attributes(splats, slice(count, None)))
    on_progress("blendshapes", samples, samples)
    assert base is not None
    changes = expressions - avatar.expression  # [S, K]
    raw = features_of(changes, measures, knees)  # [S, D]
    spread = raw[:, changes.shape[1] :].std(0).clamp(min=LEAST_SPREAD)  # what never bends stays small
    knees = knees._replace(scale=knees.scale / spread)
    features = features_of(changes, measures, knees)
    head = torch.stack(seen["head"])  # [S, n, 9]
    own = head[:1]
    still = features_of(torch.zeros_like(changes[:1]), measures, knees)  # knees that are bent in the portrait
    parts = _solve(features - still, head - own, RANKS["head"])
    own = own - torch.cat([torch.tensordot(still[0] @ s.weights, s.shapes, 1) for s in parts.values()], dim=-1)
    open_mouth = torch.stack(seen["mouth"])  # [S', R*C, 9]
    middle, moves = _with_constant(features[visible], open_mouth, RANKS["mouth"])
    # The mouth's turns and its finer parts are those of a mouth that is open.
    widest = int(visible.nonzero()[-1])
    example = animator.fast_splats(expressions[_widest(measures, changes, visible, widest)])
    return GaussianBlendshapes(
        head=_group(base, slice(0, back), own[0], parts),
        back=_group(base, slice(back, count), _attributes(base, slice(back, count)), {}),
        mouth=_group(example, slice(count, None), middle, moves),
        measures=measures,
        knees=knees,
        closed_gap=float(avatar.mouth.closed_gap),
    )


def _widest(measures: Measures, changes: Tensor, visible: Tensor, default: int) -> int:
    """The sample with a middling opening among those that show the mouth."""
    gaps = measures.of(changes)[:, 5].masked_fill(~visible, -1.0)
    order = gaps.argsort(descending=True)[: int(visible.sum())]
    return int(order[len(order) // 3]) if len(order) else default


def _attributes(splats: Gaussians, part: slice) -> Tensor:
    """Collect what is fitted, ``[n, 9]``: place, logarithm of the scales, RGB."""
    scales = splats.scales[part].clamp(min=1e-6).log()
    return torch.cat([splats.means[part], scales, splats.harmonics[part, 0] * SH_0 + 0.5], dim=-1)


def _group(splats: Gaussians, part: slice, constants: Tensor, shapes: dict[str, Shapes]) -> Group:
    """Gaussians with their fitted constants ``[n, 9]``."""
    place, scale, colour = constants.split(3, dim=-1)
    return Group(
        place, scale, colour, splats.harmonics[part, 1:], splats.quaternions[part], splats.opacities[part], shapes
    )


def _ridge(features: Tensor, targets: Tensor) -> Tensor:
    """``W [D, Q]`` of targets ``[S, Q]``."""
    penalty = RIDGE * len(features) * torch.eye(features.shape[1]) * 0.05
    return torch.linalg.solve(features.T @ features + penalty, features.T @ targets)


def _solve(features: Tensor, changes: Tensor, ranks: tuple[int, int, int]) -> dict[str, Shapes]:
    """Shapes of changes ``[S, n, 9]``."""
    found = {}
    for name, part, rank in zip(ATTRIBUTES, changes.split(3, dim=-1), ranks):
        coefficients = _ridge(features, part.flatten(1))  # [D, n*3]
        found[name] = _reduce(features, coefficients, rank, part.shape[1])
    return found


def _with_constant(features: Tensor, values: Tensor, ranks: tuple[int, int, int]) -> tuple[Tensor, dict[str, Shapes]]:
    """Constants ``[n, 9]`` and shapes of values ``[S, n, 9]``; features are not centred, so the constant is at zero."""
    middle, centre = values.mean(0), features.mean(0)
    shapes = _solve(features - centre, values - middle, ranks)
    shift = torch.cat([torch.tensordot(centre @ s.weights, s.shapes, 1) for s in shapes.values()], dim=-1)  # [n, 9]
    return middle - shift, shapes


def _reduce(features: Tensor, coefficients: Tensor, rank: int, count: int) -> Shapes:
    """The best few shapes for coefficients ``[D, n*3]``, by what they do to features like these."""
    covariance = features.T @ features / len(features)
    root = torch.linalg.cholesky(covariance + 1e-4 * torch.eye(len(covariance)))  # [D, D]
    seen = root.T @ coefficients  # [D, n*3]
    _, vectors = torch.linalg.eigh(seen @ seen.T)  # ascending
    chosen = vectors[:, -rank:].flip(-1)  # [D, k]
    weights = torch.linalg.solve_triangular(root.T, chosen, upper=True)  # [D, k]
    return Shapes(weights, (chosen.T @ seen).unflatten(-1, (count, 3)))


def splats_of(blendshapes: GaussianBlendshapes, change: Tensor) -> Gaussians:
    """The Gaussians of a change of expression ``beta - beta_s [K]``: what the player draws, in plain torch."""
    features = features_of(change, blendshapes.measures, blendshapes.knees)  # [D]
    parts = []
    for group in (blendshapes.head, blendshapes.back, blendshapes.mouth):
        place, scale, colour = (
            getattr(group, name)
            + (torch.tensordot(features @ s.weights, s.shapes, 1) if (s := group.shapes.get(name)) else 0.0)
            for name in ATTRIBUTES
        )
        opacities = group.opacities
        if group is blendshapes.mouth:
            opacities = mouth_opacities(blendshapes.measures.of(change), blendshapes.closed_gap)
        harmonics = torch.cat([((colour - 0.5) / SH_0)[:, None], group.harmonics], dim=1)  # [n, 4, 3]
        parts.append(Gaussians(place, group.quaternions, scale.exp(), opacities, harmonics))
    return Gaussians(*(torch.cat(fields) for fields in zip(*parts)))


def mouth_opacities(measures: Tensor, closed_gap: float) -> Tensor:
    """Opacities ``[R*C]`` of the mouth for the measures ``[G]``: columns show where their lips are apart."""
    lips = len(measures) - 3
    steps = torch.linspace(0.0, lips - 1.0, COLUMNS)
    low = steps.floor().long().clamp(max=lips - 2)
    gaps = measures[low] + (steps - low) * (measures[low + 1] - measures[low])  # [C]
    return ((gaps.clamp(min=0.0) - closed_gap) / 0.04).clamp(0.0, 0.99).repeat(ROWS)
