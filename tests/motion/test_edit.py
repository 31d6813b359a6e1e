import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.face.blendshapes import NAMES
from mggtalk.geometry import rotation_to_euler
from mggtalk.motion.edit import Edit, blendshapes, edit_frame


def test_no_edit_is_the_portrait_itself(avatar, pipeline):
    frame = edit_frame(avatar, Edit(), pipeline.face_model)
    torch.testing.assert_close(frame.expression, avatar.expression)
    torch.testing.assert_close(frame.rotation, avatar.rotation, atol=1e-5, rtol=0)
    assert frame.translation is avatar.translation


def test_angles_turn_the_head_by_degrees(avatar, pipeline):
    frame = edit_frame(avatar, Edit(yaw=20, pitch=-5, roll=3), pipeline.face_model)
    turned = torch.rad2deg(rotation_to_euler(frame.rotation @ avatar.rotation.mT))
    torch.testing.assert_close(turned, torch.tensor([-5.0, 20.0, 3.0]), atol=1e-3, rtol=0)


def test_the_jaw_opens_the_mouth_and_the_smile_widens_it(avatar, pipeline):
    def vertices(edit):
        return pipeline.face_model.vertices(avatar.identity, edit_frame(avatar, edit, pipeline.face_model).expression)

    rest, open_, smile = vertices(Edit()), vertices(Edit(jaw=1)), vertices(Edit(smile=1))
    assert (open_[13, 1] - open_[14, 1]) > (rest[13, 1] - rest[14, 1]) + 0.1
    assert (smile[291, 0] - smile[61, 0]) > (rest[291, 0] - rest[61, 0]) + 0.02


def test_both_eyes_look_the_same_way():
    right = {name for name, value in blendshapes(Edit(gaze_x=15)).items() if value > 0}
    left = {name for name, value in blendshapes(Edit(gaze_x=-15)).items() if value > 0}
    assert right == {"eyeLookOutLeft", "eyeLookInRight"} and left == {"eyeLookInLeft", "eyeLookOutRight"}
    assert set(blendshapes(Edit())) <= set(NAMES)


@pytest.mark.parametrize("edit", [Edit(yaw=90), Edit(jaw=-0.5), Edit(smile=2), Edit(blink=float("nan"))])
def test_numbers_out_of_range_are_refused(edit):
    with pytest.raises(OptionError, match="Choose"):
        edit.check()
