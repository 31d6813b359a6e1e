"""The motion fields: nothing at the start, regional attention, gradients."""

from __future__ import annotations

import torch

from mggtalk.person.talking_gaussian.colour import ColourMLP
from mggtalk.person.talking_gaussian.config import FieldConfig, GridConfig
from mggtalk.person.talking_gaussian.motion import FaceMotion, MouthMotion

GRID = GridConfig(base=3, finest=4.0, levels=2, bound=1.0)
SMALL = FieldConfig(face_grid=GRID, mouth_grid=GRID, axes=3, lips=4, hidden=8, mouth_hidden=8, colour=True)


def test_motion_starts_at_zero() -> None:
    code = torch.randn(5, GRID.features)
    move = FaceMotion(SMALL)(code, torch.ones(3), torch.ones(6))
    assert [part.shape for part in move] == [(5, 3), (5, 3), (5, 4)]
    assert not any(part.any() for part in move) and not MouthMotion(SMALL)(code, torch.ones(3)).any()


def test_gates_decide_what_a_place_hears() -> None:
    torch.manual_seed(0)
    motion, code = FaceMotion(SMALL), torch.randn(4, GRID.features)
    torch.nn.init.normal_(motion.last.weight)
    with torch.no_grad():
        motion.upper_gate[-1].weight.zero_()  # attention to the upper face is shut everywhere
    still, lips = torch.zeros(6), torch.tensor([0.3, -1.0, 0.5])
    calm = motion(code, lips, still)
    torch.testing.assert_close(motion(code, lips, torch.ones(6)), calm)
    assert not torch.allclose(motion(code, -lips, still).points, calm.points)


def test_inside_of_the_mouth_moves_down_more_than_sideways() -> None:
    torch.manual_seed(0)
    motion = MouthMotion(SMALL)
    with torch.no_grad():
        motion.last.weight.copy_(torch.randn(1, SMALL.mouth_hidden).expand(3, -1))  # the same for all axes
    moved = motion(torch.randn(4, GRID.features), torch.ones(3))
    torch.testing.assert_close(5.0 * moved[:, 0], moved[:, 1])
    torch.testing.assert_close(moved[:, 0], moved[:, 2])


def test_colours_follow_the_pose_only_once_they_are_learned() -> None:
    torch.manual_seed(0)
    colours, code = ColourMLP(SMALL), torch.randn(5, GRID.features)
    frontal, turned = (torch.tensor([0.2] * 9 + [turn, 0.0, 0.0]) for turn in (0.0, 1.0))
    assert not any(part.any() for part in colours(code, turned))
    torch.nn.init.normal_(colours.last.weight)
    (rgb, logits), (other, _) = colours(code, frontal), colours(code, turned)
    assert rgb.shape == (5, 3) and logits.shape == (5,) and not torch.allclose(rgb, other)


def test_gradients_in_double_precision() -> None:
    torch.manual_seed(2)
    motion = FaceMotion(SMALL).double()
    torch.nn.init.normal_(motion.last.weight)
    inputs = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3, GRID.features), (3,), (6,))
    ]
    assert torch.autograd.gradcheck(lambda *given: tuple(motion(*given)), inputs)
