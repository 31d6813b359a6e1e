"""How a driver's shoulders move: one similarity a frame, from the picture below the chin.

Every frame is registered to the first one, ``I_0(p) = I_t(A_t p)`` on the person below the chin, by the inverse
compositional Lucas-Kanade method with Tukey's weights (Baker and Matthews 2004): nothing drifts, and what moves by
itself (hands, captions, what the head uncovers) is left out. It starts twice, where the torso was before and where it
is if it went along with the head, as a body does that leans back or forth, and what fits better is taken. A frame that
cannot be registered takes what those around it have; the identity if there are none.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from scipy import ndimage

from mggtalk.face.masks import below_rim

SIDE = 96
"""Side of the small grey pictures that are registered."""

BELOW = 0.12
"""Face heights below the rim of the head from which on pixels count: above, the neck goes with the head."""

BLURS = (3.0, 1.0)
"""Blur of the pictures in pixels, from coarse to fine."""

STEPS = 5
"""Most steps at each blur."""

PIXELS = 800
"""About how many pixels of the torso are compared."""

RIDGE = 1e-3
"""Weight of no change, over the mean curvature: cloth without a texture stays."""

UPRIGHT = 0.03
"""Weight of no turn, over the mean curvature and the blur: a round collar alone tells none."""

EVERY = 2
"""Each so many-th frame is registered; shoulders move slowly."""

LEAST_PIXELS = 60
"""Pixels that a torso needs."""

MOST_SHIFT, MOST_SCALE, MOST_TURN = 0.25, 1.4, 15.0
"""Largest shift (sides of the picture), change of size and turn (degrees) that are believed."""

SMOOTH = 1.0
"""Standard deviation in frames of the smoothing over time."""


def grey_square(frame: np.ndarray) -> np.ndarray:
    """A frame uint8 ``[H, W, 3]``, centred in the square of its longer side: grey uint8 ``[SIDE, SIDE]``."""
    height, width = frame.shape[:2]
    small = Image.fromarray(frame).convert("L")
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = np.asarray(small.resize(size, Image.Resampling.BOX))
    rows, columns = SIDE - picture.shape[0], SIDE - picture.shape[1]
    return np.pad(picture, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)), "edge")


def torso_mask(person: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Where the first frame shows the torso and its outline.

    Args:
        person: Matte ``[SIDE, SIDE]``.
        landmarks: ``[478, 2 or 3]`` in its pixels.

    Returns:
        ``[SIDE, SIDE]`` bool.
    """
    grown = ndimage.binary_dilation(person > 0.5, iterations=2)
    return grown & (below_rim(landmarks, SIDE) > BELOW)


def track_torso(pictures: list[np.ndarray], mask: np.ndarray, heads: np.ndarray) -> np.ndarray | None:
    """Follow the torso through a video.

    Args:
        pictures: T of :func:`grey_square`.
        mask: :func:`torso_mask` of the first.
        heads: Landmarks ``[T, V, 2]`` in pixels of the pictures.

    Returns:
        ``[T, 2, 3]`` float32: places of the first frame to those of each, in sides of the picture; None where there is
        too little to follow.
    """
    if mask.sum() < LEAST_PIXELS:
        return None
    levels = [_Level(pictures[0], mask, blur) for blur in BLURS]
    moments = np.unique([*range(0, len(pictures), EVERY), len(pictures) - 1])
    found: dict[int, np.ndarray] = {}  # by the frame: a, b, x, y about the middle of the mask
    current = np.zeros(4)
    for moment in moments:
        blurred = [_smooth(pictures[moment], level.blur) for level in levels]
        best = np.inf
        for state in (current, _with_head(heads[0], heads[moment], levels[0].middle)):
            for level, smooth in zip(levels, blurred):
                state = level.register(smooth, state)
            if levels[-1].fits(smooth, state) and levels[-1].miss(smooth, state) < best:
                best, found[moment] = levels[-1].miss(smooth, state), state
        current = found.get(moment, np.zeros(4))
    found = found or {0: np.zeros(4)}
    lines = np.stack(list(found.values()), axis=1)  # [4, M]
    states = np.stack([np.interp(np.arange(len(pictures)), list(found), line) for line in lines], axis=1)  # [T, 4]
    states = ndimage.gaussian_filter1d(states, SMOOTH, axis=0, mode="nearest")
    middle = levels[0].middle / SIDE  # [2] x, y
    a, b = 1.0 + states[:, 0], states[:, 1]
    linear = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], axis=1)  # [T, 2, 2]
    shift = middle + states[:, 2:] / SIDE - linear @ middle  # [T, 2]
    return np.concatenate([linear, shift[:, :, None]], axis=2).astype(np.float32)


class _Level:
    """The first frame at one blur."""

    def __init__(self, picture: np.ndarray, mask: np.ndarray, blur: float) -> None:
        self.blur = blur
        smooth = _smooth(picture, blur)
        rows, columns = np.nonzero(mask)
        stride = 1 + len(rows) // PIXELS
        rows, columns = rows[::stride], columns[::stride]
        self.middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
        self.x, self.y = columns + 0.5 - self.middle[0], rows + 0.5 - self.middle[1]  # [N]
        self.values = smooth[rows, columns]
        down, right = (slope[rows, columns] for slope in np.gradient(smooth))
        self.slopes = np.stack(
            [right * self.x + down * self.y, down * self.x - right * self.y, right, down], axis=1
        )  # [N, 4] by a, b, x, y
        radius = np.sqrt((self.x**2 + self.y**2).mean())
        self.units = np.array([1 / radius, 1 / radius, 1.0, 1.0])

    def _residual(self, smooth: np.ndarray, state: np.ndarray) -> np.ndarray:
        """What the frame shows at the moved places, less what the first one shows; a change of light taken out."""
        a, b, x, y = 1.0 + state[0], *state[1:]
        place = np.stack([b * self.x + a * self.y + y + self.middle[1], a * self.x - b * self.y + x + self.middle[0]])
        error = ndimage.map_coordinates(smooth, place - 0.5, order=1, mode="nearest") - self.values
        return error - np.median(error)

    def register(self, smooth: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Improve a similarity ``[4]`` of a blurred frame."""
        for _ in range(STEPS):
            error = self._residual(smooth, state)
            reach = 4.0 * 1.48 * np.median(np.abs(error)) + 0.02
            weight = np.clip(1.0 - (error / reach) ** 2, 0.0, None) ** 2  # Tukey
            slopes = self.slopes * self.units
            curvature = (slopes * weight[:, None]).T @ slopes
            mean = np.trace(curvature) / 4
            upright = UPRIGHT * self.blur * mean * np.array([0.0, 1.0, 0.0, 0.0])
            held = curvature + np.diag(RIDGE * mean + 1e-6 + upright)
            step = self.units * np.linalg.solve(held, slopes.T @ (weight * error) + upright * state / self.units)
            state = _after(state, step)
            if abs(step[2]) + abs(step[3]) < 0.02:
                break
        return state

    def fits(self, smooth: np.ndarray, state: np.ndarray) -> bool:
        """Whether a similarity explains the frame better than none, and is a likely one."""
        size, turn = float(np.hypot(1.0 + state[0], state[1])), math.degrees(math.atan2(state[1], 1.0 + state[0]))
        if not 1 / MOST_SCALE < size < MOST_SCALE or abs(turn) > MOST_TURN:
            return False
        if np.abs(state[2:]).max() > MOST_SHIFT * SIDE:
            return False
        own, none = (np.abs(self._residual(smooth, place)).mean() for place in (state, np.zeros(4)))
        return bool(own <= none)

    def miss(self, smooth: np.ndarray, state: np.ndarray) -> float:
        """Median difference of a frame from the first one; hands and what the head uncovers do not count."""
        return float(np.median(np.abs(self._residual(smooth, state))))


def _with_head(before: np.ndarray, now: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """The state ``[4]`` of a torso that goes along with a head of landmarks ``[V, 2]`` and does not turn."""
    size = now.std(axis=0).max() / before.std(axis=0).max()
    shift = now.mean(0) + size * (middle - before.mean(0)) - middle
    return np.array([size - 1.0, 0.0, *shift])


def _smooth(picture: np.ndarray, blur: float) -> np.ndarray:
    """A blurred picture in [0, 1]."""
    return ndimage.gaussian_filter(picture.astype(np.float32) / 255.0, blur, mode="nearest")


def _after(state: np.ndarray, step: np.ndarray) -> np.ndarray:
    """``A_state`` after the inverse of ``A_step``."""
    outer, inner = complex(1.0 + state[0], state[1]), complex(1.0 + step[0], step[1])
    linear = outer / inner
    shift = complex(state[2], state[3]) - linear * complex(step[2], step[3])
    return np.array([linear.real - 1.0, linear.imag, shift.real, shift.imag])
