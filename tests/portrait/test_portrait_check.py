import numpy as np
import pytest
from PIL import Image, ImageFilter

from mggtalk.portrait.check import check_portrait


@pytest.fixture(scope="module")
def look(pipeline):
    def check(image, face=None):
        return check_portrait(image, pipeline.tracker, pipeline.face_model, 2.5, face)

    return check


def grades(check):
    return {finding.name: finding.grade for finding in check.findings}


def test_a_good_portrait_is_good(look, astronaut):
    large = np.asarray(Image.fromarray(astronaut[:256, 96:352]).resize((768, 768), Image.Resampling.LANCZOS))
    check = look(large)
    assert check.usable and len(check.boxes) == 1 and check.chosen == 0
    assert grades(check)["Size"] == grades(check)["Turned"] == grades(check)["Light"] == "good"


def test_blur_darkness_and_smallness_are_told(look, astronaut):
    blurred = np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(4)))
    small = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    assert grades(look(astronaut))["Sharpness"] == "good" and grades(look(blurred))["Sharpness"] == "poor"
    assert grades(look(astronaut // 5))["Light"] == "fair"
    assert grades(look(small))["Size"] == "poor"
    assert all(finding.advice for finding in look(blurred).findings if finding.grade == "poor")


def test_no_face_is_not_usable(look):
    check = look(np.full((200, 200, 3), 128, np.uint8))
    assert not check.usable and check.boxes == () and check.findings[0].value == "none found"


def test_of_several_faces_one_has_to_be_chosen(look, astronaut):
    pair = astronaut[:300, 100:360]
    both = np.concatenate([pair, pair[:, ::-1]], axis=1)
    check = look(both)
    assert len(check.boxes) == 2 and check.chosen is None and not check.usable
    assert check.boxes[0][0] < check.boxes[1][0], "from left to right"
    assert look(both, 1).usable and look(both, 1).chosen == 1
