from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mggtalk.face.blendshapes import NAMES
from mggtalk.face.upright import turn_upright
from mggtalk.portrait.check import check_portrait, judge_face


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


def test_a_face_that_is_half_outside_is_told(astronaut, pipeline):
    track = pipeline.tracker.still(astronaut)
    for left, grade in ((0, "good"), (190, "fair"), (220, "poor")):
        cut = replace(track, landmarks=track.landmarks - np.array((left, 0, 0), np.float32), width=512 - left)
        findings = judge_face(np.ascontiguousarray(astronaut[:, left:]), cut, pipeline.face_model, 2.5)
        assert {finding.name: finding.grade for finding in findings}["Place"] == grade


def test_shut_eyes_are_told(astronaut, pipeline):
    track = pipeline.tracker.still(astronaut)
    blink = track.blendshapes.copy()
    blink[0, [NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]] = 0.8
    for scores, value in ((track.blendshapes, "open"), (blink, "shut")):
        findings = judge_face(astronaut, replace(track, blendshapes=scores), pipeline.face_model, 2.5)
        assert next(finding.value for finding in findings if finding.name == "Eyes") == value


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_picture_that_lies_is_turned_upright_and_it_is_said(look, pipeline, astronaut, turns):
    lying = np.ascontiguousarray(np.rot90(astronaut, turns))
    assert grades(look(lying))["Upright"] == "fair" and "Upright" not in grades(look(astronaut))
    track = pipeline.tracker.still(lying)
    image, turned, note = turn_upright(lying, track)
    assert np.array_equal(image, astronaut) and note
    expected = pipeline.tracker.still(astronaut).landmarks[0]
    assert np.abs(turned.landmarks[0, :, :2] - expected[:, :2]).mean() < 6.0  # of 108


def test_the_avatar_says_what_the_check_found(pipeline, astronaut):
    small = np.asarray(Image.fromarray(np.rot90(astronaut, 2)).resize((256, 256)))
    notes = pipeline.prepare(small).notes
    assert any("turned by 180°" in note for note in notes)
    assert any(note.startswith("Portrait: size") and "sharper" in note for note in notes)


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
