"""Several estimates made one."""

from __future__ import annotations

import numpy as np

from mggtalk.depth.ensemble import joint_depth, joint_normals, lower_median

RAMP = np.linspace(0, 1, 24 * 20, dtype=np.float32).reshape(24, 20)


def test_members_that_differ_in_scale_and_shift_agree() -> None:
    noise = np.random.default_rng(0).normal(0, 0.004, (3, 24, 20)).astype(np.float32)
    members = np.stack([RAMP, 0.3 * RAMP + 0.5, 0.6 * RAMP + 0.1]) + noise
    joint = joint_depth(members)
    assert joint.min() == 0.0 and joint.max() == 1.0
    assert np.abs(joint - RAMP).mean() < 0.01


def test_one_outlier_does_not_count() -> None:
    members = np.stack([RAMP, RAMP, RAMP, RAMP**3, RAMP])
    assert np.abs(joint_depth(members) - RAMP).max() < 0.05


def test_the_optimiser_brings_members_closer_than_their_ranges_do() -> None:
    """A speck at one end of two members' ranges spoils where the optimiser starts; it finds its way from there."""
    members = np.stack([RAMP, RAMP, RAMP])
    members[0, 0, 0], members[1, -1, -1] = -0.3, 1.3
    found, wanted = (values[1:-1].ravel() for values in (joint_depth(members), RAMP))
    line = np.polyval(np.polyfit(found, wanted, 1), found)  # scale and shift do not count
    assert np.abs(line - wanted).mean() < 0.006  # 0.012 where steps of 1e-8 are rounded away


def test_a_single_member_fills_the_range_and_a_flat_one_is_zero() -> None:
    assert np.allclose(joint_depth(0.4 + 0.1 * RAMP[None]), RAMP, atol=1e-5)
    assert (joint_depth(np.full((1, 3, 3), 0.7, np.float32)) == 0).all()


def test_the_median_is_the_lower_one() -> None:
    assert lower_median(np.array([4.0, 1.0, 3.0, 2.0])[:, None, None]).item() == 2.0


def test_the_normals_closest_to_the_mean_direction_win() -> None:
    angles = np.deg2rad([0.0, 20.0, 25.0, 70.0])
    members = np.stack([np.sin(angles), np.zeros(4), np.cos(angles)], axis=1)[:, :, None, None]  # [4, 3, 1, 1]
    chosen = joint_normals(np.broadcast_to(members, (4, 3, 5, 6)))
    assert chosen.shape == (3, 5, 6)
    assert np.allclose(chosen[0], np.sin(angles[2]), atol=1e-4)  # the mean is 28.75 degrees: 25 is nearest
