"""Which photos belong together, and what each adds: made-up people, and pictures of the astronaut's own avatar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import NoFaceError, OptionError
from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit
from mggtalk.geometry import euler_to_rotation, head_to_camera, project
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.album import Album, choose_main
from mggtalk.portrait.novelty import EYES
from mggtalk.portrait.same_person import face_colours, likeness, share_shape
from mggtalk.scene import FaceTrack, MotionFrame

PEOPLE = Path(__file__).parents[2] / "examples" / "portraits"


@pytest.fixture(scope="module")
def wide(pipeline: MGGTalkPipeline, avatar: Avatar) -> np.ndarray:
    """The astronaut, brighter, turned by twelve degrees, the mouth wide open."""
    scores = torch.zeros(52)
    scores[NAMES.index("jawOpen")] = 0.7
    expression = avatar.expression + pipeline.face_model.from_blendshapes(scores)
    rotation = euler_to_rotation(torch.tensor([0.0, 0.21, 0.0])) @ avatar.rotation
    frame = pipeline.animator(avatar, 512).frame(MotionFrame(expression, rotation, avatar.translation))
    return (frame.astype(np.float32) * 0.8).astype(np.uint8)


@pytest.fixture(scope="module")
def mixed(pipeline: MGGTalkPipeline, astronaut: np.ndarray, wide: np.ndarray) -> Album:
    return pipeline.gather([astronaut, PEOPLE / "kofi.jpg", wide, PEOPLE / "mei.jpg"])


def test_other_people_are_left_out_by_name(mixed: Album) -> None:
    assert [remark.kept for remark in mixed.remarks] == [True, False, True, False]
    assert "'kofi.jpg'" in mixed.notes[1] and "left out" in mixed.notes[1]
    assert mixed.remarks[0].text == "the main photo" and len(mixed.photos) == 2


def test_a_photo_says_what_it_adds(mixed: Album) -> None:
    assert "adds the left side" in mixed.remarks[2].text  # the first photo's lips are apart as well


def test_one_identity_and_a_pose_for_each_photo(mixed: Album) -> None:
    assert mixed.fit.identity.ndim == 1 and len(mixed.fit.rotation) == 2
    turn = mixed.fit.rotation[1] @ mixed.fit.rotation[0].T
    angle = float(torch.rad2deg(torch.acos(((turn.trace() - 1) / 2).clamp(-1, 1))))
    assert 8 < angle < 16


def test_a_first_photo_of_somebody_else_is_left_out(
    pipeline: MGGTalkPipeline, astronaut: np.ndarray, wide: np.ndarray
) -> None:
    album = pipeline.gather([PEOPLE / "hugo.jpg", astronaut, wide])
    assert [remark.kept for remark in album.remarks] == [False, True, True]
    assert album.remarks[1].text == "the main photo"


def test_photos_of_which_no_two_agree_are_refused(pipeline: MGGTalkPipeline, astronaut: np.ndarray) -> None:
    with pytest.raises(OptionError, match="No two of the 2 photos"):
        pipeline.gather([astronaut, PEOPLE / "kofi.jpg"])


def test_a_photo_without_a_face_is_named(pipeline: MGGTalkPipeline, astronaut: np.ndarray) -> None:
    with pytest.raises(NoFaceError, match=r"Photo 2 of 2: No face"):
        pipeline.prepare([astronaut, np.full((300, 300, 3), 90, np.uint8)])


def test_nine_photos_and_one_are_refused(pipeline: MGGTalkPipeline, astronaut: np.ndarray) -> None:
    with pytest.raises(OptionError, match="9 photos"):
        pipeline.prepare([astronaut] * 9)
    with pytest.raises(OptionError, match="1 photos"):
        pipeline.gather([astronaut])


def test_likeness_forgives_exposure_white_balance_and_light_from_a_side(
    pipeline: MGGTalkPipeline, astronaut: np.ndarray
) -> None:
    model, ratio, track = pipeline.face_model, pipeline.config.render.focal_ratio, pipeline.tracker.still(astronaut)
    light = np.linspace(0.5, 0.9, 512)[:, None] * np.array([1.0, 0.9, 0.8])  # [S, 3] from left to right
    other = (astronaut * light).astype(np.uint8)
    places = model.mean.numpy()[model.triangles.numpy()].mean(1)
    first, second = (face_colours(picture, track, model, ratio) for picture in (astronaut, other))
    assert likeness(first, second, places) > 0.95
    assert abs(likeness(first, second, places) - likeness(second, first, places)) < 0.05


def test_one_shape_is_that_of_one_person(face_model: FaceModel) -> None:
    generator = torch.Generator().manual_seed(0)
    kinds, bends = len(face_model.identity_basis), len(face_model.expression_basis)
    someone, other = torch.randn(2, kinds, generator=generator)

    def photo(identity: torch.Tensor, yaw: float) -> FaceTrack:
        expression = 0.5 * torch.randn(bends, generator=generator)
        turn = euler_to_rotation(torch.tensor([0.0, yaw, 0.0]))
        points = head_to_camera(face_model.vertices(identity, expression), turn, torch.tensor([0.0, 0.0, 9.0]))
        pixels = project(points, 2.5 * 512, (256.0, 256.0))
        landmarks = torch.cat([pixels, points[:, 2:] * 2.5 * 512 / 9.0], dim=1)[None].numpy()
        noise = 0.3 * torch.randn(landmarks.shape, generator=generator).numpy()
        return FaceTrack(landmarks + noise, np.zeros((1, 52), np.float32), np.ones(1, bool), 25.0, 512, 512)

    first = photo(someone, 0.0)
    assert share_shape(first, photo(someone, 0.2), face_model, 2.5)
    assert not share_shape(first, photo(other, 0.2), face_model, 2.5)


def test_the_head_is_made_of_a_photo_with_open_eyes_from_the_front() -> None:
    def main(openings: list[float], yaws: list[float]) -> int:
        landmarks = np.zeros((len(yaws), 478, 3), np.float32)
        for upper, _, outer, _ in EYES:
            landmarks[:, upper, 1] = openings  # over the width 1 of the eye
            landmarks[:, outer, 0] = 1.0
        angles = torch.deg2rad(torch.tensor([[0.0, yaw, 0.0] for yaw in yaws]))
        nothing = torch.zeros(len(yaws), 3)
        found = np.ones(len(yaws), bool)
        track = FaceTrack(landmarks, np.zeros((len(yaws), 52), np.float32), found, 25.0, 512, 512)
        return choose_main(track, FaceFit(torch.zeros(1), nothing, euler_to_rotation(angles), nothing, nothing[:, 0]))

    assert main([0.3, 0.3], [5.0, 0.0]) == 0
    assert main([0.03, 0.1, 0.3], [0.0, 0.0, 5.0]) == 2
    assert main([0.3, 0.05, 0.3], [40.0, 0.0, -10.0]) == 2
    assert main([0.05, 0.05], [0.0, 0.0]) == 0, "none is better"
