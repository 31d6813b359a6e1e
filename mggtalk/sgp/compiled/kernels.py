"""CPU kernels: driven points, and their Gaussians before and after activation, point by point.

They do what :mod:`mggtalk.motion.deformation`, :mod:`mggtalk.sgp.footprint`, :mod:`mggtalk.sgp.parameters` and
:mod:`mggtalk.sgp.densify` do in torch, without gradients; tests compare the two. A row of ``parameters [P, 20]`` is in
the order of :data:`mggtalk.sgp.parameters.CHANNELS`. N visible points come first, then M mirrored ones; P = N + M.
"""

from __future__ import annotations

import math

import numpy as np

from mggtalk.avatar.binding import Part
from mggtalk.runtime.kernels import Numbers, helper, kernel
from mggtalk.sgp.footprint import LEAST_HEIGHT
from mggtalk.sgp.parameters import CHANNELS

PARAMETERS = sum(CHANNELS.values())
QUATERNION, HARMONICS, LOGIT = (int(place) for place in np.cumsum(list(CHANNELS.values()))[:-1])
"""Where rotation, colour and opacity begin in a row of parameters; scales come first."""

PLACE = 3
"""Numbers of a place or an offset that stand before parameters in one row."""

EPSILON = 1e-12
LOWER_MOUTH, UPPER_MOUTH, LEFT_EYE = int(Part.LOWER_MOUTH), int(Part.UPPER_MOUTH), int(Part.LEFT_EYE)


@kernel
def bind_points(
    first: int,
    last: int,
    rest: np.ndarray,
    vertices: np.ndarray,
    weights: np.ndarray,
    part: np.ndarray,
    gaze: np.ndarray,
    moved: np.ndarray,
    pull: np.ndarray,
    eyes: np.ndarray,
    jaw: np.ndarray,
    points: np.ndarray,
) -> None:
    """Driven places of bound points.

    Args:
        first: First point.
        last: One past the last point.
        rest: ``[N, 3]`` where they are in the portrait.
        vertices: ``[N, 3]`` of their bindings, like the three that follow.
        weights: ``[N, 3]``.
        part: ``[N]``.
        gaze: ``[N]``.
        moved: ``[V, 3]`` displacement of the face model.
        pull: ``[V]``, see :class:`mggtalk.motion.deformation.InnerMotion`, like the two that follow.
        eyes: ``[2, 3]`` right and left: iris x, y, and how far the eyeball retreats.
        jaw: ``[3]``.
        points: ``[N, 3]``, written.
    """
    for i in range(first, last):
        a, b, c = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        wa, wb, wc = weights[i, 0], weights[i, 1], weights[i, 2]
        kind = part[i]
        if kind == 0:
            for k in range(3):
                points[i, k] = rest[i, k] + (wa * moved[a, k] + wb * moved[b, k] + wc * moved[c, k])
        elif kind <= LEFT_EYE:
            eye = kind - 1
            opening = wa * pull[a] + wb * pull[b] + wc * pull[c]
            points[i, 0] = rest[i, 0] + eyes[eye, 0] * gaze[i]
            points[i, 1] = rest[i, 1] + (eyes[eye, 1] * gaze[i] + opening)
            points[i, 2] = rest[i, 2] - eyes[eye, 2]
        else:
            for k in range(3):
                points[i, k] = rest[i, k] + (jaw[k] if kind == LOWER_MOUTH else type(wa)(0))


@kernel
def scatter_moved(
    first: int,
    last: int,
    points: np.ndarray,
    rest: np.ndarray,
    members: np.ndarray,
    slots: np.ndarray,
    grid: np.ndarray,
) -> None:
    """Displacements of the points ``members[first:last]``, written to the rows ``slots`` of ``grid [rows, 3]``."""
    for q in range(first, last):
        i, row = members[q], slots[q]
        for k in range(3):
            grid[row, k] = points[i, k] - rest[i, k]


@helper
def _norm(x: float, y: float, z: float) -> float:
    return math.sqrt(x * x + y * y + z * z)


@helper
def _step(points: np.ndarray, i: int, before: int, after: int, least: float, most: float) -> Numbers:
    """The smaller one-sided difference, its length kept within bounds: see ``footprint``."""
    dt = type(least)
    fx, fy, fz = points[after, 0] - points[i, 0], points[after, 1] - points[i, 1], points[after, 2] - points[i, 2]
    bx, by, bz = points[i, 0] - points[before, 0], points[i, 1] - points[before, 1], points[i, 2] - points[before, 2]
    forward, backward = fx * fx + fy * fy + fz * fz, bx * bx + by * by + bz * bz
    if not (forward > 0 and (forward <= backward or backward == 0)):
        fx, fy, fz, forward = bx, by, bz, backward
    length = max(math.sqrt(forward), dt(1e-6))
    factor = min(max(length, least), most) / length
    return fx * factor, fy * factor, fz * factor


@helper
def _quaternion(a: Numbers, b: Numbers, c: Numbers) -> Numbers:
    """Unit quaternion of the matrix with the columns a, b, c: see ``rotation_to_quaternion``."""
    dt = type(a[0])
    one = dt(1)
    trace = a[0] + b[1] + c[2]
    size_w, size_x = one + trace, one + dt(2) * a[0] - trace
    size_y, size_z = one + dt(2) * b[1] - trace, one + dt(2) * c[2] - trace
    w, x, y, z = size_w, b[2] - c[1], c[0] - a[2], a[1] - b[0]
    best = size_w
    if size_x > best:
        best = size_x
        w, x, y, z = b[2] - c[1], size_x, b[0] + a[1], c[0] + a[2]
    if size_y > best:
        best = size_y
        w, x, y, z = c[0] - a[2], b[0] + a[1], size_y, c[1] + b[2]
    if size_z > best:
        w, x, y, z = a[1] - b[0], c[0] + a[2], c[1] + b[2], size_z
    unit = one / max(math.sqrt(w * w + x * x + y * y + z * z), dt(EPSILON))
    return w * unit, x * unit, y * unit, z * unit


@kernel
def describe_visible(
    first: int,
    last: int,
    points: np.ndarray,
    rest: np.ndarray,
    neighbours: np.ndarray,
    bounds: np.ndarray,
    colour: np.ndarray,
    logits: np.ndarray,
    added: np.ndarray,
    slots: np.ndarray,
    residual: np.ndarray,
    steps: np.ndarray,
    gates: np.ndarray,
    parameters: np.ndarray,
) -> None:
    """Parameters of the visible points.

    Args:
        first: First point.
        last: One past the last point.
        points: ``[N, 3]`` driven.
        rest: ``[N, 3]`` in the portrait.
        neighbours: ``[N, 4]`` left, right, up, down.
        bounds: ``[6]`` pixel size, least and greatest length of a tangent, thickness, log of the spread, displacement
            in pixels that opens the gate.
        colour: ``[N, 3]`` harmonics of degree 0.
        logits: ``[N]``.
        added: ``[N, 20]`` what an adapter adds to the parameters; no rows for nothing.
        slots: ``[N]`` row of each point in ``residual``, negative for none.
        residual: ``[R, 20]`` of the Gaussian decoder.
        steps: ``[N, 6]``, written: the two tangents.
        gates: ``[N]``, written.
        parameters: ``[P, 20]``, its first N rows written.
    """
    dt = points.dtype.type
    one, zero, tiny = dt(1), dt(0), dt(EPSILON)
    pixel, least, most, thickness, spread, opening = bounds[0], bounds[1], bounds[2], bounds[3], bounds[4], bounds[5]
    for i in range(first, last):
        u = _step(points, i, neighbours[i, 0], neighbours[i, 1], least, most)
        v = _step(points, i, neighbours[i, 2], neighbours[i, 3], least, most)
        for k in range(3):
            steps[i, k], steps[i, 3 + k] = u[k], v[k]
        width, tall = _norm(u[0], u[1], u[2]), _norm(v[0], v[1], v[2])
        unit = one / max(width, tiny)
        along = (u[0] * unit, u[1] * unit, u[2] * unit)
        nx = u[1] * v[2] - u[2] * v[1] + tiny
        ny = u[2] * v[0] - u[0] * v[2] + tiny
        nz = u[0] * v[1] - u[1] * v[0] + tiny
        unit = one / max(_norm(nx, ny, nz), tiny)
        normal = (nx * unit, ny * unit, nz * unit)
        across = (
            normal[1] * along[2] - normal[2] * along[1],
            normal[2] * along[0] - normal[0] * along[2],
            normal[0] * along[1] - normal[1] * along[0],
        )
        height = max(abs(v[0] * across[0] + v[1] * across[1] + v[2] * across[2]), dt(LEAST_HEIGHT) * tall)
        moved = _norm(points[i, 0] - rest[i, 0], points[i, 1] - rest[i, 1], points[i, 2] - rest[i, 2]) / pixel
        stretch = abs(tall / pixel - one)
        gate = one - math.exp(-(moved / opening) * (moved / opening) * (one + stretch))
        gates[i] = gate
        parameters[i, 0] = math.log(max(width, dt(1e-6))) + spread
        parameters[i, 1] = math.log(max(height, dt(1e-6))) + spread
        parameters[i, 2] = math.log(max(thickness * min(width, height), dt(1e-6))) + spread
        turn = _quaternion(along, across, normal)
        for k in range(4):
            parameters[i, QUATERNION + k] = turn[k]
        for k in range(3):
            parameters[i, HARMONICS + k] = colour[i, k]
        for k in range(HARMONICS + 3, LOGIT):
            parameters[i, k] = zero
        parameters[i, LOGIT] = logits[i]
        if len(added) > 0:
            for k in range(PARAMETERS):
                parameters[i, k] += added[i, k]
        row = slots[i]
        if row >= 0 and gate > zero:
            for k in range(PARAMETERS):
                parameters[i, k] += gate * residual[row, k]


@kernel
def pool_twins(
    first: int,
    last: int,
    cells: np.ndarray,
    signs: np.ndarray,
    share: float,
    parameters: np.ndarray,
    grid: np.ndarray,
) -> None:
    """Add the mirrored parameters of points ``first .. last``, times ``share``, to columns 3 on of ``grid[cells]``.

    Points share cells: not to be run on two threads at once.
    """
    for i in range(first, last):
        cell = cells[i]
        for k in range(PARAMETERS):
            grid[cell, PLACE + k] += share * signs[k] * parameters[i, k]


@kernel
def pool_places(
    first: int, last: int, cells: np.ndarray, twins: np.ndarray, share: float, places: np.ndarray, grid: np.ndarray
) -> None:
    """Add the mirrored points' places ``[M, 3]``, times ``share``, to columns 0 to 2 of ``grid`` at their twins' cells.

    Points share cells: not to be run on two threads at once.
    """
    for m in range(first, last):
        cell = cells[twins[m]]
        for k in range(3):
            grid[cell, k] += share * places[m, k]


@kernel
def describe_mirrored(
    first: int,
    last: int,
    visible: int,
    twins: np.ndarray,
    signs: np.ndarray,
    colour: np.ndarray,
    taps: np.ndarray,
    shares: np.ndarray,
    residual: np.ndarray,
    parameters: np.ndarray,
) -> None:
    """Parameters of the mirrored points: those of their twins, mirrored, and a residual read off a coarse map.

    Args:
        first: First mirrored point.
        last: One past the last.
        visible: N.
        twins: ``[M]``.
        signs: ``[20]`` of the mirror.
        colour: ``[M, 3]`` light of their side, added to the first harmonics.
        taps: ``[M, 4]`` rows of ``residual`` around each point.
        shares: ``[M, 4]`` their weights.
        residual: ``[R, 20]``; R is 0 without one.
        parameters: ``[P, 20]``, its last M rows written.
    """
    learned = len(residual) > 0
    for m in range(first, last):
        twin, row = twins[m], visible + m
        for k in range(PARAMETERS):
            value = signs[k] * parameters[twin, k]
            if learned:
                for tap in range(4):
                    value += shares[m, tap] * residual[taps[m, tap], k]
            parameters[row, k] = value
        for k in range(3):
            parameters[row, HARMONICS + k] += colour[m, k]


@helper
def _activate(
    row: int,
    source: np.ndarray,
    i: int,
    added: float,
    quaternions: np.ndarray,
    scales: np.ndarray,
    opacities: np.ndarray,
    harmonics: np.ndarray,
) -> None:
    """Activate parameters ``source[i]`` into Gaussian ``row``; ``added`` goes to the log-scales."""
    dt = type(added)
    one = dt(1)
    for k in range(3):
        scales[row, k] = math.exp(source[i, k] + added)
    w, x, y, z = source[i, 3], source[i, 4], source[i, 5], source[i, 6]
    unit = one / max(math.sqrt(w * w + x * x + y * y + z * z), dt(EPSILON))
    quaternions[row, 0], quaternions[row, 1] = w * unit, x * unit
    quaternions[row, 2], quaternions[row, 3] = y * unit, z * unit
    for k in range(12):
        harmonics[row, k] = source[i, HARMONICS + k]
    opacities[row] = one / (one + math.exp(-source[i, LOGIT]))


@kernel
def activate(
    first: int,
    last: int,
    visible: int,
    twins: np.ndarray,
    points: np.ndarray,
    parameters: np.ndarray,
    steps: np.ndarray,
    colour_step: np.ndarray,
    share: float,
    children: bool,
    gates: np.ndarray,
    slots: np.ndarray,
    residual: np.ndarray,
    means: np.ndarray,
    quaternions: np.ndarray,
    scales: np.ndarray,
    opacities: np.ndarray,
    harmonics: np.ndarray,
) -> None:
    """Gaussians of points ``first .. last`` and, P rows further on, of their children.

    Args:
        first: First point.
        last: One past the last point.
        visible: N.
        twins: ``[M]``.
        points: ``[P, 3]`` driven.
        parameters: ``[P, 20]``.
        steps: ``[N, 6]`` tangents.
        colour_step: ``[N, 3]`` harmonics of degree 0 of the children less those of their parents.
        share: Added to the log-scales of both.
        children: Whether there are any.
        gates: ``[N]``.
        slots: ``[P]`` row of each point in ``residual``, negative for none.
        residual: ``[Q, 23]`` of the children: offset, then parameters; not yet gated.
        means: ``[2 P or more, 3]``, written, like the rest; without children P rows are.
        quaternions: ``[2 P or more, 4]``.
        scales: ``[2 P or more, 3]``.
        opacities: ``[2 P or more]``.
        harmonics: ``[2 P or more, 12]``.
    """
    dt = points.dtype.type
    half = dt(0.5)
    count = len(points)
    child = np.empty((1, PARAMETERS), points.dtype)
    for i in range(first, last):
        for k in range(3):
            means[i, k] = points[i, k]
        _activate(i, parameters, i, share, quaternions, scales, opacities, harmonics)
        if not children:
            continue
        own = i if i < visible else twins[i - visible]
        side = dt(1) if i < visible else dt(-1)
        row = count + i
        means[row, 0] = points[i, 0] + side * half * (steps[own, 0] + steps[own, 3])
        means[row, 1] = points[i, 1] + half * (steps[own, 1] + steps[own, 4])
        means[row, 2] = points[i, 2] + half * (steps[own, 2] + steps[own, 5])
        slot = slots[i]
        if slot < 0:
            for k in range(3):
                scales[row, k] = scales[i, k]
            for k in range(4):
                quaternions[row, k] = quaternions[i, k]
            for k in range(12):
                harmonics[row, k] = harmonics[i, k]
            for k in range(3):
                harmonics[row, k] += colour_step[own, k]
            opacities[row] = opacities[i]
            continue
        gate = gates[own]
        reach = half * _norm(steps[own, 0], steps[own, 1], steps[own, 2])
        for k in range(3):
            means[row, k] += math.tanh(gate * residual[slot, k]) * reach
        for k in range(PARAMETERS):
            child[0, k] = parameters[i, k] + gate * residual[slot, PLACE + k]
        for k in range(3):
            child[0, HARMONICS + k] += colour_step[own, k]
        _activate(row, child, 0, share, quaternions, scales, opacities, harmonics)
