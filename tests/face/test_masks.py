"""Soft head, neck and torso weights of a drawn bust."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mggtalk.face.masks import (
    HeadMasks,
    below_rim,
    down_the_face,
    face_axes,
    head_masks,
    smoothstep,
)
from mggtalk.face.topology import FACE_OVAL

SIZE = 200
CENTRE, HALF_WIDTH, HALF_HEIGHT = np.array([100.0, 80.0]), 30.0, 40.0


def landmarks(degrees: float = 0.0) -> np.ndarray:
    """An ellipse as the oval of a face; everything else in its middle. Turned clockwise in the picture."""
    points = np.zeros((478, 2))
    angles = 2 * np.pi * np.arange(len(FACE_OVAL)) / len(FACE_OVAL)  # from the top over the viewer's right
    points[list(FACE_OVAL)] = np.column_stack([HALF_WIDTH * np.sin(angles), -HALF_HEIGHT * np.cos(angles)])
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points @ rotation.T + CENTRE).astype(np.float32)


def turned_landmarks() -> np.ndarray:
    """The same of a face that looks to the viewer's left: one ear is seen, the nose is at the outline."""
    points = landmarks()
    points[234, 0], points[1, 0] = 95.0, 78.0
    return points


def bust() -> np.ndarray:
    """Matte of a head with hair, a neck and shoulders."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    head = ((x - 100) / 40) ** 2 + ((y - 75) / 52) ** 2 < 1
    neck = (np.abs(x - 100) < 20) & (y > 100)
    shoulders = (y > 150) & (np.abs(x - 100) < 80)
    return ndimage.gaussian_filter((head | neck | shoulders).astype(np.float32), 1.0)


@pytest.fixture(scope="module")
def masks() -> HeadMasks:
    return head_masks(bust(), landmarks())


def test_axes_of_an_upright_and_of_a_tilted_face() -> None:
    axes = face_axes(landmarks())
    assert np.allclose(axes.centre, CENTRE, atol=1e-3)
    assert np.allclose(axes.x_axis, (1, 0), atol=1e-2) and np.allclose(axes.y_axis, (0, 1), atol=1e-2)
    assert axes.height == pytest.approx(2 * HALF_HEIGHT, rel=1e-3)
    tilted = face_axes(landmarks(30.0))
    assert np.allclose(tilted.x_axis, (np.cos(np.pi / 6), 0.5), atol=1e-2)
    assert float(tilted.x_axis @ tilted.y_axis) == pytest.approx(0.0, abs=1e-9)


def test_coordinates_down_the_face() -> None:
    down = down_the_face(landmarks(), SIZE)
    assert down[80, 100] == pytest.approx(0.0, abs=0.02)
    assert down[119, 100] == pytest.approx(0.5, abs=0.02)
    upside_down = down_the_face(landmarks(180.0), SIZE)
    assert upside_down[119, 100] == pytest.approx(-0.5, abs=0.03)


def test_rim_is_the_jaw_in_the_middle() -> None:
    rim = below_rim(landmarks(), SIZE)
    assert rim[119, 100] == pytest.approx(0.0, abs=0.03)  # chin
    assert rim[80, 100] < -0.3 and rim[190, 100] > 0.5
    assert rim[150, 30] > 0.4  # a shoulder is below it


def test_a_turned_head_reaches_out_behind_its_ears() -> None:
    straight, turned, face = (
        below_rim(landmarks(), SIZE),
        below_rim(turned_landmarks(), SIZE),
        below_rim(turned_landmarks(), SIZE, behind=False),
    )
    assert turned[85, 155] < 0.0 < straight[85, 155] and turned[85, 35] > 0.0
    assert face[85, 155] > 0.0
    assert turned[110, 155] > 0.0, "below the mouth there is no head beside the face"


def test_a_beard_below_the_chin_is_no_torso() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    beard = (x > 71) & (x < 79) & (y > 90) & (y < 124)  # below the chin, before the neck
    masks = head_masks(np.maximum(bust(), beard), turned_landmarks())
    assert masks.torso[116:122, 73:77].max() < 0.1
    assert masks.loose[116:122, 73:77].min() > 0.5


def test_the_neck_under_the_jaw_is_no_head_that_turns(masks: HeadMasks) -> None:
    assert masks.parted[124:140, 100].min() > 0.5 and masks.head[122, 100] > 0.5  # the chin is on row 120
    assert masks.parted[:118, 100].max() == 0.0 and masks.parted[124:140, [60, 140]].max() == 0.0


def test_no_neck_stands_before_a_turned_face() -> None:
    straight, turned = (head_masks(bust(), points) for points in (landmarks(), turned_landmarks()))
    assert straight.neck[105, 88] > 0.9  # behind the jaw
    assert turned.neck[105, 88] < 0.1 < 0.9 < turned.neck[105, 112]


def test_masks_split_the_person(masks: HeadMasks) -> None:
    assert all(mask.dtype == np.float32 and mask.shape == (SIZE, SIZE) for mask in masks)
    assert all(mask.min() >= 0 and mask.max() <= 1 for mask in masks.weights)
    assert masks.head[80, 100] > 0.99 and masks.head[30, 100] > 0.9  # face and hair
    assert masks.head[180, 60] == 0 and masks.torso[180, 60] > 0.99  # shoulder
    assert masks.torso[60, 100] == 0  # no torso behind the eyes
    assert np.allclose(masks.person, bust())


def test_head_and_torso_together_cover_the_person(masks: HeadMasks) -> None:
    covered = 1 - (1 - masks.head) * (1 - masks.torso)
    solid = masks.person > 0.99
    assert covered[solid].min() > 0.9


def test_neck_goes_on_under_the_jaw(masks: HeadMasks) -> None:
    column = masks.torso[100:150, 100]
    assert (column > 0.95).all()  # from well above the chin (row 120) down
    assert masks.torso[94, 72] < 0.05 < 0.5 < masks.torso[94, 100]  # but only as wide as a neck


def test_a_neck_goes_up_as_wide_as_it_is_seen_wherever_it_stands() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    neck = ((x > 86) & (x < 122) & (y > 100)).astype(np.float32)  # not in the middle
    matte = np.maximum.reduce([bust() * (y < 118), neck, bust() * (y > 150)])
    row = head_masks(matte, landmarks()).torso[104]  # behind the jaw
    assert np.all(row[89:119] > 0.99) and np.all(row[70:85] < 0.1) and np.all(row[123:135] < 0.1)


def test_long_hair_goes_on_behind_the_jaw() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    hair = (np.abs(x - 100) > 32) & (np.abs(x - 100) < 42) & (y > 70)
    long, short = (head_masks(np.maximum(bust(), extra), landmarks()) for extra in (hair * 1.0, hair * (y < 110)))
    beside_the_neck = (slice(96, 118), slice(70, 78))  # the jaw is before it
    assert long.torso[beside_the_neck][bust()[beside_the_neck] > 0.99].min() > 0.9
    assert short.torso[94, 72] < 0.05
    assert long.torso[60, 100] == 0  # none behind the eyes


def test_an_ear_lobe_is_no_torso_and_a_raised_hand_no_head() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    lobe = (np.abs(x - 64) < 3) & (np.abs(y - 95) < 6)  # below the level of the mouth, beside the jaw
    masks = head_masks(np.maximum(bust(), lobe), landmarks())
    assert masks.torso[98, 63] == 0 and masks.head[98, 63] > 0.99
    assert masks.loose[98, 63] > 0.99, "the torso's as well, as long as nobody looks from the side"
    arm = (np.abs(x - 50) < 8) & (y > 95) & (y < 140) | (np.abs(x - 40) < 20) & (y > 132) & (y < 170)
    raised = head_masks(np.maximum(bust(), arm), landmarks())
    assert raised.torso[125, 48] > 0.99 and raised.head[125, 48] == raised.loose[125, 48] == 0


def test_a_neck_as_wide_as_the_jaw_is_hidden_as_wide() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    wide = (np.abs(x - 100) < 29) & (y > 100)
    masks = head_masks(np.maximum(bust(), wide * 1.0), landmarks())
    assert masks.torso[100, 76] > 0.5  # 24 pixels beside the middle, where a neck of 20 ends
    assert head_masks(bust(), landmarks()).torso[100, 76] < 0.5


def test_a_neck_that_a_collar_hides_below_the_chin_is_as_wide_as_it_is_beside_the_jaw() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    wide, collar = (np.abs(x - 100) < 29) & (y > 100), (np.abs(x - 100) < 60) & (y > 118)
    masks = head_masks(np.maximum.reduce([bust(), wide * 1.0, collar * 1.0]), landmarks())
    assert masks.neck[100, 76] > 0.5 and masks.neck[100, 68] < 0.1


def test_a_cheek_beyond_the_jaw_of_the_model_is_the_torsos_in_the_portraits_view_alone() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    cheeks = (np.abs(x - 100) < 35) & (y > 70)  # from there straight down to the shoulders
    masks = head_masks(np.maximum(bust(), cheeks * 1.0), landmarks())
    assert masks.loose[84, 67] > 0.5 and masks.torso[84, 67] < 0.1, "from aside it would hang beside the head"


def test_follow_goes_from_head_to_nothing_without_a_step(masks: HeadMasks) -> None:
    assert masks.follow[80, 100] > 0.99
    assert masks.follow[199, 100] < 0.15
    assert (np.diff(masks.follow[:, 100]) < 1e-4).all()
    assert max(np.abs(np.diff(masks.follow, axis=0)).max(), np.abs(np.diff(masks.follow, axis=1)).max()) < 0.03


def test_masks_turn_with_the_face() -> None:
    matte = np.ones((SIZE, SIZE), np.float32)
    head = head_masks(matte, landmarks(90.0)).head  # chin toward the viewer's left
    assert head[80, 110] > 0.9 and head[80, 20] < 0.05


def test_no_person_no_masks() -> None:
    masks = head_masks(np.zeros((SIZE, SIZE), np.float32), landmarks())
    assert not masks.head.any() and not masks.torso.any()


def test_smoothstep() -> None:
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert np.allclose(smoothstep(values, 0.0, 1.0), [0, 0, 0.5, 1, 1])
