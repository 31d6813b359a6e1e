"""Metrics between a generated and a real video. Pure functions; arrays may be NumPy arrays or CPU tensors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from skimage.metrics import structural_similarity

from mggtalk.face.lips import lip_gap
from mggtalk.face.regions import Array
from mggtalk.face.topology import LIPS, LIPS_OUTER_UPPER
from mggtalk.geometry import rotation_to_euler


def psnr(image: Array, truth: Array, mask: Array | None = None) -> float:
    """Peak signal-to-noise ratio with an exact error in floating point.

    Args:
        image: ``[H, W, 3]``, values 0..255.
        truth: The same shape.
        mask: ``[H, W]`` bool: only these pixels count.

    Returns:
        Decibels; infinite for equal pictures, NaN for an empty mask.

    Raises:
        ValueError: If shapes differ.
    """
    image, truth = _pair(image, truth)
    error = (image.astype(np.float64) - truth.astype(np.float64)) ** 2  # [H, W, 3]
    return _decibels(error, mask)


def psnr_wrapped_uint8(image: Array, truth: Array, mask: Array | None = None) -> float:
    """The *wrong* PSNR that results when the squared error is computed in eight bits and wraps around at 256.

    It never falls much below 28 dB, however bad the picture is. It is here only to be put beside published columns that
    look as if they were computed so; never report it as PSNR.

    Args:
        image: uint8 ``[H, W, 3]``.
        truth: uint8, the same shape.
        mask: ``[H, W]`` bool: only these pixels count.

    Returns:
        Decibels; infinite for equal pictures, NaN for an empty mask.

    Raises:
        ValueError: If shapes differ or the pictures are not uint8.
    """
    image, truth = _pair(image, truth)
    if image.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError(f"the wrapped PSNR needs uint8 pictures, got {image.dtype} and {truth.dtype}")
    difference = image - truth  # [H, W, 3] modulo 256
    return _decibels(difference * difference, mask)


def ssim(image: Array, truth: Array, mask: Array | None = None) -> float:
    """Structural similarity with the settings of Wang et al.: Gaussian window, sigma 1.5 (11 x 11), mean over RGB.

    Windows that reach over the border see the picture mirrored, and count.

    Args:
        image: ``[H, W, 3]``, values 0..255, sides of at least 11.
        truth: The same shape.
        mask: ``[H, W]`` bool: the mean is taken over these pixels; their windows may reach outside.

    Returns:
        At most 1; NaN for an empty mask.

    Raises:
        ValueError: If shapes differ.
    """
    similarity = ssim_map(image, truth)  # [H, W]
    if mask is not None:
        similarity = similarity[np.asarray(mask, dtype=bool)]  # [pixels]
    return float(similarity.mean()) if similarity.size else math.nan


def ssim_map(image: Array, truth: Array) -> np.ndarray:
    """Structural similarity ``[H, W]`` of every pixel's window, mean over RGB. See :func:`ssim`."""
    image, truth = _pair(image, truth)
    _, similarity = structural_similarity(
        image.astype(np.float32),
        truth.astype(np.float32),
        channel_axis=-1,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )  # [H, W, 3]
    return similarity.mean(axis=-1)


def lmd(landmarks: Array, truth: Array, centred: bool = True) -> float:
    """Landmark distance of the mouth.

    Args:
        landmarks: ``[T, 478, 2 or 3]``, pixels of a picture of side 256; only x and y count.
        truth: The same shape.
        centred: Subtract the mean of the lips in every frame first, so that only the mouth's shape counts; else the
            place of the mouth counts as well.

    Returns:
        Mean Euclidean distance over lip vertices and frames, in those pixels.

    Raises:
        ValueError: If shapes differ.
    """
    landmarks, truth = _pair(landmarks, truth)
    lips = landmarks[:, list(LIPS), :2].astype(np.float64)  # [T, 40, 2]
    wanted = truth[:, list(LIPS), :2].astype(np.float64)  # [T, 40, 2]
    if centred:
        lips = lips - lips.mean(axis=1, keepdims=True)
        wanted = wanted - wanted.mean(axis=1, keepdims=True)
    return float(np.linalg.norm(lips - wanted, axis=-1).mean())


def lip_gap_error(landmarks: Array, truth: Array) -> float:
    """Mean absolute error of :func:`lip_gap` over ``[T, 478, 2 or 3]`` landmarks, in their pixels.

    Raises:
        ValueError: If shapes differ.
    """
    landmarks, truth = _pair(landmarks, truth)
    return float(np.abs(lip_gap(landmarks) - lip_gap(truth)).mean())


def lip_gap_correlation(landmarks: Array, truth: Array) -> float:
    """Pearson correlation over time of :func:`lip_gap`; NaN if one of the mouths does not move.

    Raises:
        ValueError: If shapes differ.
    """
    landmarks, truth = _pair(landmarks, truth)
    return correlation(lip_gap(landmarks), lip_gap(truth))


def lip_width(landmarks: Array) -> np.ndarray:
    """Distance of the corners of the lips of ``[T, 478, 2 or 3]`` landmarks in every frame ``[T]``, in their pixels."""
    points = np.asarray(landmarks, dtype=np.float64)[..., :2]  # [T, 478, 2]
    return np.linalg.norm(points[:, LIPS_OUTER_UPPER[-1]] - points[:, LIPS_OUTER_UPPER[0]], axis=-1)


class LipShape(NamedTuple):
    """Opening and width of a mouth as they are on the head, free of distance and foreshortening."""

    gap: np.ndarray  # [T] decimetres
    width: np.ndarray  # [T] decimetres

    @staticmethod
    def of(landmarks: Array, rotation: Array, distance: Array, focal: float) -> LipShape:
        """Measure lips.

        A length ``l`` along a head axis ``a`` is seen as ``l f |(R a)_xy| / z`` pixels.

        Args:
            landmarks: ``[T, 478, 2 or 3]`` pixels.
            rotation: Head to camera, ``[T, 3, 3]``.
            distance: Of the head from the camera ``[T]``, decimetres.
            focal: Focal length in the same pixels.
        """
        scale = np.asarray(distance, dtype=np.float64) / focal  # [T] decimetres per pixel
        seen = np.linalg.norm(np.asarray(rotation, dtype=np.float64)[:, :2], axis=1)  # [T, 3] of each head axis
        return LipShape(lip_gap(landmarks) * scale / seen[:, 1], lip_width(landmarks) * scale / seen[:, 0])


def slope(values: np.ndarray, truth: np.ndarray) -> float:
    """Least-squares slope of a signal ``[T]`` over the true one: 1 when it goes all the way, less when it is muted.

    NaN if the true one does not move.
    """
    spread = truth - truth.mean()
    power = float((spread * spread).sum())
    return float((spread * (values - values.mean())).sum() / power) if power > 1e-9 else math.nan


def correlation(values: np.ndarray, truth: np.ndarray) -> float:
    """Pearson correlation of two signals ``[T]``; NaN if one of them does not move."""
    if min(values.std(), truth.std()) < 1e-6:
        return math.nan
    return float(np.corrcoef(values, truth)[0, 1])


def lip_offset(landmarks: Array, truth: Array, most: int = 8) -> float:
    """Frames by which :func:`lip_gap` is late against the true one: where their correlation is greatest.

    Args:
        landmarks: ``[T, 478, 2 or 3]``.
        truth: The same shape.
        most: Largest offset that is looked for, to either side.

    Returns:
        Positive when the generated lips are late; NaN if one of the mouths does not move or the video is too short.

    Raises:
        ValueError: If shapes differ.
    """
    landmarks, truth = _pair(landmarks, truth)
    gap, wanted = lip_gap(landmarks), lip_gap(truth)
    frames = len(gap)
    if frames < 4 * most or min(gap.std(), wanted.std()) < 1e-6:
        return math.nan
    scores = {}
    for offset in range(-most, most + 1):
        late, early = slice(max(offset, 0), frames + min(offset, 0)), slice(max(-offset, 0), frames - max(offset, 0))
        scores[offset] = float(np.corrcoef(gap[late], wanted[early])[0, 1])
    return float(max(scores, key=lambda offset: scores[offset]))


def aed(expression: Array, truth: Array) -> float:
    """Average expression distance: mean absolute difference of coefficients ``[T, K]``, in their own units.

    The published values use the coefficients of another face model; only values of one tracker can be compared.

    Raises:
        ValueError: If shapes differ.
    """
    expression, truth = _pair(expression, truth)
    return float(np.abs(expression.astype(np.float64) - truth.astype(np.float64)).mean())


def apd(rotation: Array, truth: Array) -> float:
    """Average pose distance.

    Args:
        rotation: ``[T, 3, 3]`` head rotations, see :mod:`mggtalk.geometry`.
        truth: The same shape.

    Returns:
        Mean absolute difference of the three Euler angles in radians, each taken the shorter way round.

    Raises:
        ValueError: If shapes differ.
    """
    rotation, truth = _pair(rotation, truth)
    angles, wanted = (rotation_to_euler(torch.from_numpy(r.astype(np.float64))).numpy() for r in (rotation, truth))
    difference = np.abs(angles - wanted) % (2 * np.pi)  # [T, 3]
    return float(np.minimum(difference, 2 * np.pi - difference).mean())


def jitter(landmarks: Array) -> float:
    """Mean length of the second difference over time of ``[T, V, 2 or 3]`` landmarks (x and y), pixels per frame²."""
    points = np.asarray(landmarks, dtype=np.float64)[..., :2]  # [T, V, 2]
    if len(points) < 3:
        return math.nan
    return float(np.linalg.norm(np.diff(points, n=2, axis=0), axis=-1).mean())


def excess_jitter(landmarks: Array, truth: Array) -> float:
    """Measure how much more the generated landmarks tremble than the real ones: :func:`jitter` minus the real one's.

    Positive when the generated video trembles, negative when it is smoother than the real one; NaN under three frames.
    """
    return jitter(landmarks) - jitter(truth)


def _pair(first: Array, second: Array) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of one shape."""
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {first.shape} and {second.shape}")
    return first, second


def _decibels(squared_error: np.ndarray, mask: Array | None) -> float:
    """PSNR of squared errors ``[H, W, 3]`` of eight-bit pictures."""
    if mask is not None:
        squared_error = squared_error[np.asarray(mask, dtype=bool)]  # [pixels, 3]
    if squared_error.size == 0:
        return math.nan
    mean = float(squared_error.mean(dtype=np.float64))
    return 10 * math.log10(255**2 / mean) if mean > 0 else math.inf
