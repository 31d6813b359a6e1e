"""Which frames of a film are dubbed."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.dub.mouth import Tone, inside_of, mouth_square, openness, seam
from mggtalk.dub.plan import FADE, RAMP, SHORTEST, stretches, uncovered, watchable
from mggtalk.face.crop import SquareCrop
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.scene import FaceTrack


def test_a_film_that_is_good_throughout_is_changed_throughout() -> None:
    strength, weight = stretches(np.ones(30, bool), (12,))
    assert (strength == 1).all() and (weight == 1).all()


def test_lips_return_to_the_films_before_the_drawing_fades() -> None:
    good = np.ones(60, bool)
    good[30] = False
    strength, weight = stretches(good, ())
    assert strength[30] == 0 and (weight[strength < 1] == 0).all()
    assert (np.abs(np.diff(strength)) <= 1 / (FADE + 1) + 1e-6).all()
    assert (np.abs(np.diff(weight)) <= 1 / RAMP + 1e-6).all()
    assert strength[0] == weight[0] == weight[-1] == 1, "the ends of a film are no reason to fade"


def test_nothing_fades_over_a_cut_and_short_stretches_are_left_alone() -> None:
    good = np.zeros(80, bool)
    good[:40] = True  # a whole shot
    good[50 : 50 + SHORTEST - 1] = True
    strength, weight = stretches(good, (40,))
    assert (strength[:40] == 1).all() and (weight[:40] == 1).all() and not strength[40:].any()


def test_lost_cut_and_turned_faces_are_not_changed(face_model: FaceModel) -> None:
    mean = face_model.mean.numpy()
    sine, cosine = np.sin(np.radians(60.0)), np.cos(np.radians(60.0))
    aside = mean @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    front, turned = (shape * (40.0, -40.0, -40.0) + (100.0, 50.0, 0.0) for shape in (mean, aside))
    seen = np.stack([front, front, front + (0.0, 40.0, 0.0), turned]).astype(np.float32)
    found = np.array([True, False, True, True])
    track = FaceTrack(seen, np.zeros((4, 52), np.float32), found, 25.0, 200, 100)
    assert watchable(track).tolist() == [True, False, False, False]


def test_a_hand_before_the_mouth_is_seen_and_other_light_is_not(face_model: FaceModel) -> None:
    generator = np.random.default_rng(0)
    colours = (120.0 + generator.normal(0.0, 5.0, (40, 478, 3))).astype(np.float32)
    colours[10] *= 0.6  # the light goes down
    below = np.flatnonzero(face_model.mean.numpy()[:, 1] < -0.45)
    colours[20][below] = 40.0
    seen = uncovered(colours, np.ones(40, bool), face_model)
    assert seen[10] and not seen[20] and seen.sum() == 39
    lower_lip = face_model.mean.numpy()[17]  # its lower border
    away = np.linalg.norm(face_model.mean.numpy() - lower_lip, axis=1)
    colours[20] = colours[19]
    colours[25:32, away < 0.2] = 10.0  # a microphone touches it
    colours[35, away < 0.2] = 10.0  # the tracker slips for a moment
    seen = uncovered(colours, np.ones(40, bool), face_model)
    assert not seen[25:32].any() and seen.sum() == 33


def mouth_of(gap: float) -> np.ndarray:
    """Landmarks of a face 100 pixels high whose lips are some pixels apart."""
    landmarks = np.zeros((478, 2))
    landmarks[10], landmarks[152] = (50.0, 0.0), (50.0, 100.0)
    for rim, sign in ((LIPS_INNER_UPPER, -0.5), (LIPS_INNER_LOWER, 0.5)):
        arch = np.sin(np.linspace(0.0, np.pi, len(rim)))
        landmarks[list(rim)] = np.stack([np.linspace(35.0, 65.0, len(rim)), 70.0 + sign * gap * arch], axis=-1)
    return landmarks


def test_the_inside_of_a_mouth_is_drawn_as_far_as_it_is_open() -> None:
    shares = [openness(mouth_of(gap)) for gap in (0.0, 1.0, 2.0, 8.0)]
    assert shares[0] == 0.0 and shares[-1] == 1.0 and shares == sorted(shares)


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_the_inside_comes_from_the_avatar_at_its_own_place(gain: float) -> None:
    after = mouth_of(12.0)
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[120:160, 60:140] = 180  # the mouth: the picture is twice as fine as the frame
    window, light = SquareCrop(0.0, 0.0, 100.0), np.full(3, gain)
    plain = Tone.of(np.zeros((0, 3)), np.zeros((0, 3)), np.full(3, 80.0), np.full(3, 180.0))
    inside = inside_of(picture, window, after + (0.5, 1.5), after, after, light, (100, 100), plain)
    assert inside is not None
    rows, columns = inside.alpha.shape
    whole = np.zeros((100, 100))
    whole[inside.top : inside.top + rows, inside.left : inside.left + columns] = inside.alpha
    assert whole[70, 50] > 0.9 and whole[55, 50] == 0.0 and whole[70, 30] < 0.02
    assert inside.colour[70 - inside.top, 50 - inside.left, 0] == pytest.approx(180 * gain, abs=2)
    assert inside_of(picture, window, after, after, after + 500.0, light, (100, 100), plain) is None


def test_a_square_holds_the_mouth_inside_of_the_picture() -> None:
    window = SquareCrop(10.0, 20.0, 128.0)
    for way in (0.0, 60.0):  # the second one at the border
        lips = mouth_of(12.0) + (way, 0.0)
        left, top, side = mouth_square(lips, window, 512)
        assert 0 <= left <= 512 - side and 0 <= top <= 512 - side and side < 300
        middle = (lips[[*LIPS_INNER_UPPER, *LIPS_INNER_LOWER]].mean(0) - (10.0, 20.0)) * 4.0
        assert left < middle[0] < left + side and top < middle[1] < top + side
    assert mouth_square(mouth_of(12.0) * 8.0, SquareCrop(0.0, 0.0, 128.0), 512)[2] == 512


def test_lips_that_close_over_teeth_leave_a_line_and_closed_lips_stay_as_they_are() -> None:
    lips, window = np.array([160.0, 80.0, 80.0]), SquareCrop(0.0, 0.0, 100.0)
    tone = Tone.of(np.zeros((0, 3)), np.zeros((0, 3)), lips, np.full(3, 150.0))
    wide, shut = mouth_of(10.0), mouth_of(0.3)
    assert seam(wide, shut) == 1.0 and seam(shut, shut) == seam(wide, wide) == 0.0
    line = inside_of(None, window, shut, wide, shut, np.ones(3), (100, 100), tone)
    assert line is not None and line.alpha[70 - line.top, 50 - line.left] > 0.5 and (line.alpha[[0, -1]] < 0.01).all()
    assert (line.colour[0, 0] < lips).all()


def test_the_colours_of_an_avatars_mouth_become_those_of_the_film() -> None:
    generator = np.random.default_rng(1)
    film = generator.normal((90.0, 50.0, 50.0), 10.0, (500, 3))
    bright = 2.0 * film + 20.0
    tone = Tone.of(bright, film, np.array([160.0, 80.0, 80.0]), np.full(3, 150.0))
    np.testing.assert_allclose(tone.apply(bright), np.maximum(film, (40.0, 20.0, 20.0)), atol=1e-6)
    assert (tone.apply(np.zeros(3)) >= (40.0, 20.0, 20.0)).all(), "no mouth is black"


def test_teeth_of_a_film_that_never_shows_its_own_are_not_flesh() -> None:
    nothing, teeth = np.zeros((0, 3)), np.array([140.0, 135.0, 125.0])
    tone = Tone.of(nothing, nothing, np.array([160.0, 80.0, 80.0]), teeth)
    bright, dark = np.array([165.0, 115.0, 115.0]), np.array([60.0, 35.0, 35.0])
    colourful = [np.ptp(colour) / colour.mean() for colour in (bright, tone.apply(bright))]
    assert colourful[1] < 0.6 * colourful[0]
    np.testing.assert_allclose(tone.apply(dark), dark, atol=6.0)
