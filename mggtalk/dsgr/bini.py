"""Bilateral normal integration: a normal map to the surface that has these normals, keeping depth discontinuities.

At every pixel the surface may be continuous toward only one of two opposite neighbours. Each pixel therefore states
four one-sided equations, and the two of an axis share a weight of one: the flatter side gets the larger part. Weights
and surface are solved for in turn. For fixed weights the equations are those of a resistor network on the pixel grid,
whose matrix (a weighted graph Laplacian) is sparse and positive; one sparse factorisation then serves many solves as
the preconditioner of conjugate gradients.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.sparse import linalg
from scipy.special import expit
from torch import Tensor

from mggtalk.errors import MGGTalkError

logger = logging.getLogger(__name__)

LEAST_SLANT = 0.05
"""Least cosine between normal and viewing ray; slanted, back-facing and unknown normals are raised to it."""
LEAST_WEIGHT = 1e-4
"""Least weight of an equation: keeps pixels connected across the steepest step."""
SOLVE_TOLERANCE = 3e-2
"""Residual at which a linear solve ends, relative to the one left by the previous surface."""
PATIENCE = 16
"""Conjugate gradient steps after which a new factorisation is cheaper than the old preconditioner."""


class BiniResult(NamedTuple):
    """A surface integrated from normals."""

    depth: Tensor  # [H, W] float32 pixel units, larger is farther from the viewer; NaN outside the mask
    energies: list[float]  # before the first solve and after each; E = sum of weight * residual^2


@dataclass(frozen=True)
class _Axis:
    """The equations along one image axis. P masked pixels, E pairs of masked neighbours."""

    low: np.ndarray  # [E] pixel of a pair at the lower coordinate (left, or below)
    high: np.ndarray  # [E] its neighbour (right, or above)
    slant: np.ndarray  # [P] factor of the depth difference, negative
    normal: np.ndarray  # [P] normal's component along the axis

    def one_sided(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slant times forward and backward difference of ``z``, each ``[P]``; 0 where there is no neighbour."""
        difference = z[self.high] - z[self.low]  # [E]
        forward, backward = np.zeros_like(z), np.zeros_like(z)  # [P]
        forward[self.low] = self.slant[self.low] * difference
        backward[self.high] = self.slant[self.high] * difference
        return forward, backward

    def reweight(self, z: np.ndarray, k: float) -> tuple[np.ndarray, float]:
        """Weight of the forward equation ``[P]`` (backward: the rest to 1), and the energy of the axis under it."""
        forward, backward = self.one_sided(z)
        weight = np.clip(expit(k * (backward**2 - forward**2)), LEAST_WEIGHT, 1 - LEAST_WEIGHT)  # [P]
        residuals = weight * (forward + self.normal) ** 2 + (1 - weight) * (backward + self.normal) ** 2
        return weight, float(residuals.sum())

    def network(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Conductance and wanted flow of every pair, ``[E]`` each, under the forward weights ``[P]``."""
        forward = weight[self.low] * self.slant[self.low]  # [E]
        backward = (1 - weight[self.high]) * self.slant[self.high]  # [E]
        conductance = forward * self.slant[self.low] + backward * self.slant[self.high]
        return conductance, -(forward * self.normal[self.low] + backward * self.normal[self.high])


def integrate_normals(
    normals: Tensor,
    mask: Tensor,
    depth_prior: Tensor | None = None,
    prior_weight: Tensor | float = 0.0,
    k: float = 2.0,
    iterations: int = 30,
    tolerance: float = 1e-4,
    focal: float | None = None,
) -> BiniResult:
    """Integrate a normal map by iteratively re-weighted least squares.

    The absolute depth (orthographic) or scale (perspective) of each connected part of the mask is free. A weighted
    prior fixes it; a prior without weight on a part gives the part its mean; without a prior the mean is 0
    (orthographic), or the focal length (perspective, so that a pixel is one unit wide at the mean depth).

    Args:
        normals: ``[3, H, W]``, x right, y up, z toward the viewer; any length. Zero or non-finite vectors are unknown.
        mask: ``[H, W]`` bool, the pixels of the surface; it may have several parts.
        depth_prior: ``[H, W]`` depth away from the viewer in pixel units. Non-finite values are unknown, and so are
            values that are not positive in perspective.
        prior_weight: How strongly the prior pulls, for all pixels or ``[H, W]``, >= 0. At 1 a pixel's prior counts as
            much as the slope to one neighbour. The same in both projections.
        k: Stiffness of the bilateral weights; 0 is plain least squares, which rounds off steps.
        iterations: Most re-weighted solves, >= 1.
        tolerance: Relative change of the energy that ends them.
        focal: Focal length in pixels of a pinhole camera with its principal point at the image centre; ``None`` for an
            orthographic camera.

    Returns:
        The depth and the energies.

    Raises:
        MGGTalkError: If the mask is empty.
        ValueError: If shapes do not match, or ``iterations`` or ``focal`` is not positive.
    """
    _check(normals, mask, depth_prior, prior_weight, iterations, focal)
    inside = mask.cpu().numpy().astype(bool)  # [H, W]
    axes = _equations(normals.detach().cpu().double().numpy(), inside, focal)
    prior, weight = _prior(depth_prior, prior_weight, inside, focal)  # [P], [P]
    z, energies = _solve(axes, prior, weight, _parts(inside), k, iterations, tolerance)
    if focal is not None:
        z = np.exp(z)
    depth = np.full(inside.shape, np.nan, dtype=np.float32)  # [H, W]
    depth[inside] = z
    return BiniResult(torch.from_numpy(depth).to(normals.device), energies)


def _check(
    normals: Tensor,
    mask: Tensor,
    depth_prior: Tensor | None,
    prior_weight: Tensor | float,
    iterations: int,
    focal: float | None,
) -> None:
    """Refuse input that cannot be integrated."""
    if normals.ndim != 3 or normals.shape[0] != 3 or mask.shape != normals.shape[1:]:
        raise ValueError(f"need normals [3, H, W] and mask [H, W], got {tuple(normals.shape)} and {tuple(mask.shape)}")
    for name, value in (("depth_prior", depth_prior), ("prior_weight", prior_weight)):
        if isinstance(value, Tensor) and value.ndim > 0 and value.shape != mask.shape:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, the mask {tuple(mask.shape)}")
    if iterations < 1 or (focal is not None and focal <= 0):
        raise ValueError(f"iterations and focal must be positive, got {iterations} and {focal}")
    if not bool(mask.any()):
        raise MGGTalkError(
            f"The head mask is empty: none of its {mask.shape[0]} x {mask.shape[1]} pixels is set.",
            "Use a picture that shows the whole head, or another matte.",
        )


def _equations(normals: np.ndarray, inside: np.ndarray, focal: float | None) -> tuple[_Axis, _Axis]:
    """Horizontal and vertical equations of the masked pixels."""
    height, width = inside.shape
    vectors = normals[:, inside]  # [3, P]
    known = np.isfinite(vectors).all(axis=0)  # [P]
    length = np.linalg.norm(np.where(known, vectors, 0.0), axis=0)  # [P]
    known &= length > 1e-6
    right, up, toward = np.where(known, vectors / np.where(known, length, 1.0), 0.0)  # [P] each
    if focal is None:
        slant = np.minimum(-toward, -LEAST_SLANT)  # [P]
    else:
        rows, columns = np.nonzero(inside)  # [P], [P]
        ray_up, ray_right = height / 2 - (rows + 0.5), columns + 0.5 - width / 2  # [P] pixels from the centre
        slant = np.minimum(ray_up * up + ray_right * right - focal * toward, -LEAST_SLANT * focal)  # [P]
    index = np.full(inside.shape, -1)  # [H, W]
    index[inside] = np.arange(vectors.shape[1])
    beside, above = inside[:, 1:] & inside[:, :-1], inside[1:] & inside[:-1]  # [H, W-1], [H-1, W]
    horizontal = _Axis(index[:, :-1][beside], index[:, 1:][beside], slant, right)
    vertical = _Axis(index[1:][above], index[:-1][above], slant, up)
    return horizontal, vertical


def _prior(
    depth_prior: Tensor | None, prior_weight: Tensor | float, inside: np.ndarray, focal: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Prior in the unknown's units (NaN where unknown) and its weight, ``[P]`` each.

    In perspective the unknown is the logarithm of depth. Without any prior the mean log depth is that of the focal
    length. Weights are scaled by the focal length squared, as the equations are.
    """
    if depth_prior is None:
        rest = 0.0 if focal is None else float(np.log(focal))
        count = int(inside.sum())
        return np.full(count, rest), np.zeros(count)
    prior = depth_prior.detach().cpu().double().numpy()[inside]  # [P]
    weight = torch.as_tensor(prior_weight).detach().cpu().double().numpy()
    weight = np.broadcast_to(weight, inside.shape)[inside]  # [P]
    known = np.isfinite(prior)
    if focal is not None:
        known &= prior > 0
        prior = np.log(np.where(known, prior, 1.0))
        weight = weight * focal**2
    return np.where(known, prior, np.nan), np.where(known, weight, 0.0)


def _parts(inside: np.ndarray) -> np.ndarray:
    """Number from 0 of the connected part of every masked pixel, ``[P]``."""
    labels, _ = ndimage.label(inside)  # [H, W], 4-connected
    return labels[inside] - 1


def _solve(
    axes: tuple[_Axis, _Axis],
    prior: np.ndarray,
    weight: np.ndarray,
    parts: np.ndarray,
    k: float,
    iterations: int,
    tolerance: float,
) -> tuple[np.ndarray, list[float]]:
    """Re-weight and solve in turn; the unknown ``[P]`` in its final gauge, and the energies."""
    incidence = _incidence(axes, len(parts))  # [E, P]
    pull = sparse.diags_array(weight)  # [P, P]
    wanted = weight * np.nan_to_num(prior)  # [P]
    pins = _pins(parts, weight)  # one pixel of each part that the prior does not hold
    solver = _Solver()
    z = np.zeros(len(parts))  # [P]
    forward, energy = _reweight(axes, z, k)
    energies = [energy]
    for _ in range(iterations):
        networks = [axis.network(side) for axis, side in zip(axes, forward, strict=True)]
        conductance, flow = (np.concatenate(values) for values in zip(*networks, strict=True))  # [E], [E]
        matrix = incidence.T @ (sparse.diags_array(conductance) @ incidence) + pull  # [P, P]
        diagonal = matrix.diagonal()
        diagonal[pins] += max(float(diagonal.mean()), 1.0)
        matrix.setdiag(diagonal)
        z = solver.solve(matrix.tocsc(), incidence.T @ flow + wanted, z)
        forward, energy = _reweight(axes, z, k)
        energies.append(energy)
        if abs(energies[-1] - energies[-2]) <= tolerance * max(energies[-2], np.finfo(float).tiny):
            break
    logger.debug(
        "%d pixels, %d solves, %d factorisations, energy %.6g",
        len(z), len(energies) - 1, solver.factorisations, energies[-1],
    )  # fmt: skip
    return _settle(z, prior, weight, parts), energies


def _reweight(axes: tuple[_Axis, _Axis], z: np.ndarray, k: float) -> tuple[list[np.ndarray], float]:
    """Forward weights of both axes, ``[P]`` each, and the energy under them."""
    weights, energies = zip(*(axis.reweight(z, k) for axis in axes), strict=True)
    return list(weights), sum(energies)


def _incidence(axes: tuple[_Axis, _Axis], pixels: int) -> sparse.csr_array:
    """The matrix ``[E, P]`` that takes depths to differences of neighbours."""
    low = np.concatenate([axis.low for axis in axes])  # [E]
    high = np.concatenate([axis.high for axis in axes])  # [E]
    rows = np.arange(len(low))
    values = np.concatenate([-np.ones(len(low)), np.ones(len(high))])  # [2E]
    places = (np.concatenate([rows, rows]), np.concatenate([low, high]))
    return sparse.csr_array((values, places), shape=(len(low), pixels))


def _pins(parts: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The first pixel of every part without a weighted prior: held in place to make the matrix regular."""
    _, first = np.unique(parts, return_index=True)  # [parts]
    held = np.bincount(parts, weights=weight) > 0  # [parts]
    return first[~held]


def _settle(z: np.ndarray, prior: np.ndarray, weight: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Move every part that no weighted prior holds to the mean of its prior, or of the whole prior if it has none."""
    known = np.isfinite(prior)  # [P]
    count = parts.max() + 1
    seen = np.bincount(parts, weights=known, minlength=count)  # [parts] pixels with a prior
    held = np.bincount(parts, weights=weight, minlength=count) > 0  # [parts]
    overall = float(prior[known].mean()) if known.any() else 0.0
    with_prior = np.bincount(parts, weights=np.where(known, prior - z, 0.0), minlength=count) / np.maximum(seen, 1)
    without = overall - np.bincount(parts, weights=z, minlength=count) / np.bincount(parts, minlength=count)
    shift = np.where(held, 0.0, np.where(seen > 0, with_prior, without))  # [parts]
    return z + shift[parts]


class _Solver:
    """Solves a series of similar sparse systems: conjugate gradients, preconditioned by an earlier factorisation."""

    def __init__(self) -> None:
        self.factorisations = 0
        self._factor: linalg.SuperLU | None = None

    def solve(self, matrix: sparse.csc_array, rhs: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Solve ``matrix [P, P] @ x = rhs [P]``; factorise anew when the old factors do not help any more."""
        if self._factor is not None:
            inverse = linalg.LinearOperator(matrix.shape, matvec=self._factor.solve, dtype=np.float64)
            residual = rhs - matrix @ start  # [P]
            change, failed = linalg.cg(
                matrix, residual, rtol=SOLVE_TOLERANCE, atol=0.0, maxiter=PATIENCE, M=inverse
            )  # [P]
            start = start + change
            if not failed:
                return start
        self._factor = linalg.splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        self.factorisations += 1
        return start + self._factor.solve(rhs - matrix @ start)  # [P]
