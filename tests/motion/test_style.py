import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.geometry import euler_to_rotation, rotation_to_euler
from mggtalk.motion.style import Style, play, smooth
from mggtalk.scene import Motion


def motion_of(expression, yaw):
    """A motion from expressions ``[T, K]`` and yaws ``[T]`` in radians."""
    angles = torch.stack([torch.zeros_like(yaw), yaw, torch.zeros_like(yaw)], dim=-1)
    place = torch.tensor([0.0, 0.0, 9.0]).expand(len(yaw), 3)
    return Motion(expression, euler_to_rotation(angles), place, 25.0, "test", 2.5)


@pytest.fixture
def trembling():
    time = torch.arange(50) / 25.0
    shake = torch.where(torch.arange(50) % 2 == 0, 0.02, -0.02)
    return motion_of(torch.sin(time)[:, None].repeat(1, 4), 0.4 * torch.sin(time) + shake)


def test_the_default_changes_nothing(trembling):
    assert play(trembling, torch.zeros(4), Style()) is trembling


def test_expressions_grow_from_the_rest(trembling):
    rest = torch.full((4,), 0.3)
    strong = play(trembling, rest, Style(expression=1.5))
    torch.testing.assert_close(strong.expression, rest + 1.5 * (trembling.expression - rest))
    still = play(trembling, rest, Style(expression=0.0))
    torch.testing.assert_close(still.expression, rest.expand(50, -1))
    assert still.rotation is trembling.rotation


def test_smoothing_takes_the_tremble_and_leaves_the_turn(trembling):
    calm = smooth(trembling, 0.08)
    yaw = rotation_to_euler(calm.rotation)[:, 1]
    before = rotation_to_euler(trembling.rotation)[:, 1]
    assert yaw.diff().diff().abs().mean() < 0.05 * before.diff().diff().abs().mean()
    intended = 0.4 * torch.sin(torch.arange(50) / 25.0)
    assert (yaw - intended)[5:-5].abs().max() < 0.01, "no lag"
    turns = calm.rotation @ calm.rotation.mT
    torch.testing.assert_close(turns, torch.eye(3).expand_as(turns), atol=1e-5, rtol=0)


def test_smoothing_crosses_half_a_turn():
    around = torch.linspace(2.8, 3.5, 20)  # beyond pi quaternions change their sign
    calm = smooth(motion_of(torch.zeros(20, 4), around), 0.04)
    expected = euler_to_rotation(torch.stack([torch.zeros(20), around, torch.zeros(20)], dim=-1))
    torch.testing.assert_close(calm.rotation[4:-4], expected[4:-4], atol=5e-3, rtol=0)


@pytest.mark.parametrize("style", [Style(pose=-1), Style(expression=3), Style(smoothing=5), Style(pose=float("nan"))])
def test_a_style_out_of_range_is_refused(style):
    with pytest.raises(OptionError, match="Choose 0 to"):
        style.check()
