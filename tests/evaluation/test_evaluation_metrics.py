"""Metrics against values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from mggtalk.evaluation import metrics
from mggtalk.face import regions
from mggtalk.face.lips import lip_gap
from mggtalk.face.topology import LIPS, LIPS_INNER_LOWER, LIPS_OUTER_UPPER
from mggtalk.geometry import euler_to_rotation, head_to_camera, project


def flat(value, size=16):
    return np.full((size, size, 3), value, dtype=np.uint8)


def noise(size=32):
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_psnr_by_hand():
    assert metrics.psnr(flat(100), flat(110)) == pytest.approx(10 * math.log10(255**2 / 100))
    assert metrics.psnr(flat(0), flat(255)) == pytest.approx(0.0)
    assert metrics.psnr(flat(7), flat(7)) == math.inf
    assert metrics.psnr(torch.from_numpy(flat(100)), torch.from_numpy(flat(110))) == pytest.approx(28.1308, abs=1e-4)


def test_psnr_counts_the_masked_pixels_only():
    image = flat(50)
    image[:8] = 60
    mask = np.zeros((16, 16), dtype=bool)
    mask[:8] = True
    assert metrics.psnr(image, flat(50), mask) == pytest.approx(10 * math.log10(255**2 / 100))
    assert metrics.psnr(image, flat(50), ~mask) == math.inf
    assert math.isnan(metrics.psnr(image, flat(50), np.zeros_like(mask)))


def test_wrapped_psnr_wraps_the_square():
    assert metrics.psnr_wrapped_uint8(flat(0), flat(15)) == pytest.approx(metrics.psnr(flat(0), flat(15)))  # 225 fits
    assert metrics.psnr_wrapped_uint8(flat(0), flat(16)) == math.inf  # 256 wraps to 0
    assert metrics.psnr_wrapped_uint8(flat(0), flat(17)) == pytest.approx(10 * math.log10(255**2 / (289 - 256)))
    other = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert metrics.psnr(noise(), other) < 9
    assert metrics.psnr_wrapped_uint8(noise(), other) > 27  # the floor that gives the mistake away
    with pytest.raises(ValueError, match="needs uint8"):
        metrics.psnr_wrapped_uint8(noise().astype(float), other)


def test_ssim_of_flat_pictures_is_the_luminance_term():
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert metrics.ssim(flat(100), flat(150)) == pytest.approx(expected, abs=1e-5)
    assert metrics.ssim(noise(), noise()) == pytest.approx(1.0, abs=1e-6)


def test_masked_ssim_looks_only_inside():
    image, truth = noise(), noise()
    image[:, 16:] = 128
    left = np.zeros((32, 32), dtype=bool)
    left[:, :10] = True  # further from the change than half a window
    assert metrics.ssim(image, truth, left) == pytest.approx(1.0, abs=1e-5)
    assert metrics.ssim(image, truth, ~left) < 0.7
    assert math.isnan(metrics.ssim(image, truth, np.zeros_like(left)))


def test_pictures_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        metrics.psnr(flat(1), flat(1, 8))


def test_hull_mask_covers_exactly_the_pixels_of_a_rectangle():
    corners = np.array([[2.5, 1.5], [6.5, 1.5], [6.5, 4.5], [2.5, 4.5], [4.0, 3.0]])  # pixel centres, and one inside
    mask = regions.hull_mask(corners, 8, 10)
    expected = np.zeros((8, 10), dtype=bool)
    expected[1:5, 2:7] = True
    assert (mask == expected).all()


def test_mouth_mask_is_the_enlarged_hull_of_the_lips():
    landmarks = np.random.default_rng(0).uniform(0, 100, (478, 3))
    angle = np.linspace(0, 2 * np.pi, len(LIPS), endpoint=False)
    landmarks[list(LIPS), 0] = 60 + 20 * np.cos(angle)
    landmarks[list(LIPS), 1] = 50 + 10 * np.sin(angle)
    area = regions.mouth_mask(landmarks, 100, 120).sum()
    assert area == pytest.approx(math.pi * 26 * 13, rel=0.06)
    assert regions.face_mask(landmarks, 100, 120).sum() > 3 * area


def test_lmd_by_hand():
    truth = np.random.default_rng(0).uniform(0, 256, (5, 478, 3))
    moved = truth + np.array([3.0, 4.0, 100.0])  # z does not count
    assert metrics.lmd(moved, truth, centred=False) == pytest.approx(5.0)
    assert metrics.lmd(moved, truth) == pytest.approx(0.0, abs=1e-9)
    others = np.setdiff1d(np.arange(478), LIPS)
    moved = truth.copy()
    moved[:, others] += 50  # only lips count
    assert metrics.lmd(torch.from_numpy(moved), torch.from_numpy(truth)) == 0.0
    moved[:, LIPS[0], 0] += 40  # one of 40 lip vertices by 40 px: its mean moves 1 px
    assert metrics.lmd(moved, truth, centred=False) == pytest.approx(1.0)
    assert metrics.lmd(moved, truth) == pytest.approx((39 * 1 + 39) / 40)


def test_lip_gap_by_hand():
    opening = np.array([0.0, 3.0, 6.0, 3.0])
    points = np.zeros((4, 478, 3))
    points[:, list(LIPS_INNER_LOWER[1:-1]), 1] = opening[:, None]
    assert lip_gap(points) == pytest.approx(opening)
    double = 2 * points
    assert metrics.lip_gap_error(double, points) == pytest.approx(3.0)
    assert metrics.lip_gap_correlation(double, points) == pytest.approx(1.0)
    against = np.zeros_like(points)
    against[:, list(LIPS_INNER_LOWER[1:-1]), 1] = 10 - opening[:, None]
    assert metrics.lip_gap_correlation(against, points) == pytest.approx(-1.0)
    assert math.isnan(metrics.lip_gap_correlation(0 * points, points))


def test_lips_are_measured_on_the_head_whatever_its_pose():
    """A far mouth in the plane of the face, seen through a pinhole from several sides."""
    gaps, widths = np.array([0.1, 0.3, 0.2]), np.array([0.5, 0.4, 0.6])
    points = np.zeros((3, 478, 3))
    points[:, LIPS_OUTER_UPPER[0], 0], points[:, LIPS_OUTER_UPPER[-1], 0] = -widths / 2, widths / 2
    points[:, list(LIPS_INNER_LOWER[1:-1]), 1] = -gaps[:, None]
    rotation = euler_to_rotation(torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, 0.5], [0.0, -0.6, 0.2]]))
    place = torch.tensor([[0.0, 0.0, 100.0], [5.0, -3.0, 200.0], [1.0, 2.0, 150.0]])
    pixels = project(head_to_camera(torch.from_numpy(points).float(), rotation, place), 1000.0, (128.0, 128.0))
    lips = metrics.LipShape.of(pixels, rotation, place[:, 2], 1000.0)
    assert lips.gap == pytest.approx(gaps, rel=0.02) and lips.width == pytest.approx(widths, rel=0.02)


def test_slope_and_correlation_by_hand():
    truth = np.array([0.0, 1.0, 2.0, 5.0])
    assert metrics.slope(0.5 * truth + 7, truth) == pytest.approx(0.5)
    assert metrics.correlation(0.5 * truth + 7, truth) == pytest.approx(1.0)
    assert metrics.slope(-truth, truth) == pytest.approx(-1.0)
    assert metrics.slope(np.full(4, 3.0), truth) == pytest.approx(0.0)
    assert math.isnan(metrics.correlation(np.full(4, 3.0), truth)) and math.isnan(metrics.slope(truth, np.ones(4)))


def test_aed_by_hand():
    assert metrics.aed(np.array([[1.0, -1.0], [0.0, 2.0]]), np.zeros((2, 2))) == 1.0


def test_apd_by_hand_and_the_shorter_way_round():
    angles = torch.tensor([[0.1, -0.2, 0.0], [0.0, 0.0, 0.3]])
    assert metrics.apd(euler_to_rotation(angles), torch.eye(3).expand(2, 3, 3)) == pytest.approx(0.1, abs=1e-6)
    left, right = euler_to_rotation(torch.tensor([[[0.0, 3.1, 0.0]], [[0.0, -3.1, 0.0]]]))
    assert metrics.apd(left, right) == pytest.approx((2 * math.pi - 6.2) / 3, abs=1e-5)


def test_jitter_by_hand():
    frames = np.arange(6.0)
    points = np.zeros((6, 4, 2))
    points[..., 0] = frames[:, None] ** 2  # second difference 2 everywhere
    assert metrics.jitter(points) == pytest.approx(2.0)
    steady = np.zeros((6, 4, 2))
    steady[..., 0] = 3 * frames[:, None]
    assert metrics.excess_jitter(points, steady) == pytest.approx(2.0)
    assert metrics.excess_jitter(steady, points) == pytest.approx(-2.0)
    assert math.isnan(metrics.jitter(points[:2]))


def test_late_lips_are_told_with_their_sign():
    gap = np.abs(np.sin(np.arange(80) ** 1.3 * 0.1)) * 6.0
    true, late = np.zeros((80, 478, 2)), np.zeros((80, 478, 2))
    for points, values in ((true, gap), (late, np.roll(gap, 3))):
        points[:, list(LIPS_INNER_LOWER), 1] = values[:, None]
    assert metrics.lip_offset(late, true) == 3.0
    assert metrics.lip_offset(true, late) == -3.0
    assert math.isnan(metrics.lip_offset(np.zeros((80, 478, 2)), true))
