import torch

from mggtalk.geometry import euler_to_rotation
from mggtalk.nets.gates import expression_gate, frame_gate
from mggtalk.scene import MotionFrame

REST = MotionFrame(torch.zeros(64), torch.eye(3), torch.tensor([0.0, 0.0, 10.0]))


def test_no_change_closes_the_gates() -> None:
    assert expression_gate(REST.expression + 0.3, REST.expression + 0.3) == 0
    assert frame_gate(REST, REST) == 0


def test_expression_turn_and_shift_open_the_gate_of_a_frame() -> None:
    turned = REST._replace(rotation=euler_to_rotation(torch.tensor([0.0, 0.0873, 0.0])))  # 5 degrees
    assert abs(float(frame_gate(turned, REST)) - 0.632) < 0.01
    moved = REST._replace(translation=REST.translation + torch.tensor([0.1, 0.0, 0.0]))
    assert abs(float(frame_gate(moved, REST)) - 0.632) < 0.01
    smiling = REST._replace(expression=REST.expression + 1.0)
    assert abs(float(frame_gate(smiling, REST)) - 0.632) < 0.01
    assert float(expression_gate(smiling.expression, REST.expression)) > 0.6
