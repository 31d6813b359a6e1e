"""Portraits of which parts cannot be seen: shut eyes, a scarf, a half out of the picture, no torso, no background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.face.masks import CHIN, CROWN, LEFT_EAR, RIGHT_EAR
from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from mggtalk.geometry import head_to_camera, project
from mggtalk.portrait.prepare import build_avatar
from mggtalk.portrait.view import PAST, see
from mggtalk.runtime.progress import no_progress
from mggtalk.scene import FaceTrack

EYES = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))
SIDE = 256
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


@pytest.fixture(scope="module")
def photo(astronaut):
    """A small photo."""
    return np.asarray(Image.fromarray(astronaut).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def seen(pipeline, photo):
    """Landmarks and matte of the portrait."""
    track = pipeline.tracker.still(photo)
    low, high = track.landmarks[0, :, :2].min(0), track.landmarks[0, :, :2].max(0)
    return track, pipeline.matte(photo, box=(*map(float, low), *map(float, high)))


@pytest.fixture(scope="module")
def build(pipeline, photo):
    """Makes a small avatar."""
    config = replace(pipeline.config, dsgr=replace(pipeline.config.dsgr, map_size=128))

    def run(track: FaceTrack, matte: np.ndarray, picture: np.ndarray = photo) -> Avatar:
        weights = matte.astype(np.float32)
        estimator = pipeline.estimators.get("mesh", pipeline.device, no_progress)
        view = see(picture, track, weights, pipeline.face_model, config)
        return build_avatar(view, estimator, pipeline.refine, config.dsgr, no_progress)

    return run


def check_moves(pipeline, avatar: Avatar, motion) -> None:
    """Its numbers are finite, it is drawn in another pose and with another expression, and stays in range."""
    tensors = [avatar.points, avatar.colour, avatar.opacity, *avatar.mouth, *avatar.back, *avatar.plates]
    assert all(torch.isfinite(tensor).all() for tensor in tensors)
    video = pipeline.animate(avatar, motion, size=128)
    frame = video.animator.frame(video.motion[4])
    assert frame.shape == (128, 128, 3) and frame.std() > 5


def shut(track: FaceTrack, eyes) -> FaceTrack:
    """A track whose lids touch all along."""
    landmarks = track.landmarks.copy()
    for upper, lower in eyes:
        middle = (landmarks[0, list(upper)] + landmarks[0, list(lower)]) / 2
        landmarks[0, list(upper)] = landmarks[0, list(lower)] = middle
    return replace(track, landmarks=landmarks)


@pytest.mark.parametrize("eyes", [EYES, EYES[:1]], ids=["both", "one"])
def test_shut_eyes(pipeline, seen, build, motion, eyes):
    track, matte = seen
    avatar = build(shut(track, eyes), matte)
    assert avatar.mouth.teeth.mean() > 0.3, "teeth are white without the white of an eye"
    check_moves(pipeline, avatar, motion)


def test_eyes_that_were_shut_open(pipeline, seen, build):
    """Behind the lids there is a white with a dark pupil in it."""
    track, matte = seen
    avatar = build(shut(track, EYES), matte)
    assert not ((avatar.binding.part == Part.RIGHT_EYE) | (avatar.binding.part == Part.LEFT_EYE)).any()
    open_face = pipeline.face_model.vertices(avatar.identity, torch.zeros_like(avatar.expression))
    frame = avatar.source._replace(expression=torch.zeros_like(avatar.expression))
    picture = pipeline.animator(avatar, 512).frame(frame) / 255.0

    def colour(place: torch.Tensor) -> np.ndarray:
        in_camera = head_to_camera(place[None], avatar.rotation, avatar.translation)
        x, y = project(in_camera, 512 * pipeline.config.render.focal_ratio, (256.0, 256.0))[0].round().long().tolist()
        return picture[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))

    for iris, corner in ((RIGHT_IRIS, 33), (LEFT_IRIS, 263)):
        edge = open_face[list(iris[1:])][(open_face[list(iris[1:])] - open_face[corner]).norm(dim=1).argmin()]
        white, pupil = colour((edge + open_face[corner]) / 2), colour(open_face[iris[0]])
        cheek = colour(open_face[50 if corner == 33 else 280])
        assert np.ptp(white) < 0.7 * np.ptp(cheek)
        assert pupil.mean() < white.mean() - 0.1


def hidden(name: str, track: FaceTrack, matte: np.ndarray) -> np.ndarray:
    """A matte in which a region cannot be seen."""
    points = track.landmarks[0]
    chin, crown = points[CHIN, 1], points[CROWN, 1]
    left, right = sorted((points[RIGHT_EAR, 0], points[LEFT_EAR, 0]))
    face = (left < COLUMNS) & (right > COLUMNS) & (crown < ROWS) & (chin > ROWS)
    keep = {
        "torso": chin > ROWS,
        "all but the face": face,
        "half of the face": face & ((left + right) / 2 > COLUMNS),
        "mouth": (points[2, 1] > ROWS) | (points[17, 1] + 10 < ROWS),
        "eyes": (points[9, 1] > ROWS) | (points[5, 1] < ROWS),
        "face": ~face,
        "all but a spot": (np.abs(COLUMNS - points[1, 0]) < 3) & (np.abs(ROWS - points[1, 1]) < 3),
    }
    return np.ones_like(matte) if name == "background" else matte * keep[name]


@pytest.mark.parametrize(
    "name",
    ["background", "torso", "all but the face", "half of the face", "mouth", "eyes", "face", "all but a spot"],
)
def test_named_regions(pipeline, seen, build, motion, name):
    track, matte = seen
    check_moves(pipeline, build(track, hidden(name, track, matte)), motion)


@pytest.mark.parametrize("seed", range(4))
def test_random_regions(pipeline, seen, build, motion, seed):
    """Some rectangles of the person are taken out, perhaps the eyes are shut, and the face is moved to the border."""
    track, matte = seen
    dice = np.random.default_rng(seed)
    matte = matte.copy()
    for _ in range(dice.integers(1, 5)):
        x, y = dice.integers(0, SIDE, 2)
        width, height = dice.integers(15, 150, 2)
        matte[y : y + height, x : x + width] = 0.0
    track = shut(track, [eye for eye in EYES if dice.random() < 0.5])
    x, y = dice.integers(-100, 100, 2)
    landmarks = track.landmarks + np.array((x, y, 0), np.float32)
    rolled = np.roll(matte, (y, x), axis=(0, 1))
    if rolled.max() < 0.1:
        pytest.skip("nothing is left")
    check_moves(pipeline, build(replace(track, landmarks=landmarks), rolled), motion)


def test_a_crown_that_the_picture_cuts_is_hair(pipeline, photo, seen):
    track, matte = seen
    row = int(track.landmarks[0, CROWN, 1]) + 4  # on the forehead
    picture, weights = (np.concatenate([part[row:], part[-row:]]) for part in (photo, matte.astype(np.float32)))
    moved = replace(track, landmarks=track.landmarks - np.array((0.0, row, 0.0), np.float32))
    view = see(picture, moved, weights, pipeline.face_model, pipeline.config)
    colour = view.head_colours()  # [3, H, W]
    crown = (view.grid[..., 1] < -PAST[1] * SIDE) & (view.head > 0.9)
    assert crown.sum() > 100
    assert float(colour[:, crown].mean()) < 0.6 * float(view.skin.mean())
    assert torch.equal(colour[:, view.shown], view.sample(view.foreground)[:, view.shown])
