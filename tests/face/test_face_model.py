from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from mggtalk.errors import WeightsMissingError
from mggtalk.face import blendshapes, topology
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import fit_track, similarity
from mggtalk.geometry import euler_to_rotation, head_to_camera, mirror_points, project
from mggtalk.scene import FaceTrack

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "face_model.safetensors"
FOCAL_RATIO = 2.5


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.from_file(WEIGHTS)


def blend(model: FaceModel, **weights: float) -> Tensor:
    """Vertices ``[478, 3]`` of the mean person with blendshape weights; both sides where a name has sides."""
    values = torch.zeros(52)
    for name, weight in weights.items():
        for full in [name] if name in blendshapes.INDEX else [f"{name}Left", f"{name}Right"]:
            values[blendshapes.INDEX[full]] = weight
    return model.vertices(torch.zeros(48), model.from_blendshapes(values))


def gap(vertices: Tensor, upper: int, lower: int) -> float:
    return float(vertices[upper, 1] - vertices[lower, 1])


def synthesise(
    model: FaceModel, identity: Tensor, expression: Tensor, rotation: Tensor, translation: Tensor, width=320, height=320
) -> FaceTrack:
    """What the tracker would see of a known face."""
    points = head_to_camera(model.vertices(identity, expression), rotation, translation)  # [T, V, 3]
    focal = FOCAL_RATIO * max(width, height)
    pixels = project(points, focal, (width / 2, height / 2))
    distance = translation[:, None, 2]
    depth = (points[..., 2] - distance) / distance * focal
    scores = (model.to_blendshapes(expression) + model.rest_weights).clamp(0, 1)
    landmarks = torch.cat([pixels, depth[..., None]], dim=-1).numpy()
    return FaceTrack(landmarks, scores.numpy(), np.ones(len(landmarks), bool), 25.0, width, height)


def test_shapes_and_symmetry(model) -> None:
    assert model.mean.shape == (478, 3) and model.identity_basis.shape == (48, 478, 3)
    assert model.expression_basis.shape == (64, 478, 3) and model.triangles.shape == (898, 3)
    assert model.vertices(torch.zeros(5, 1, 48), torch.zeros(5, 7, 64)).shape == (5, 7, 478, 3)
    torch.testing.assert_close(mirror_points(model.mean[model.mirror]), model.mean, atol=2e-3, rtol=0)
    width = float(model.mean[:, 0].max() - model.mean[:, 0].min())
    assert 1.4 < width < 1.7  # decimetres
    assert model.mean[1, 2] > model.mean[234, 2] and model.mean[10, 1] > model.mean[152, 1]
    np.testing.assert_array_equal(model.mirror.numpy(), topology.mirror_permutation())


def test_a_mirrored_face_is_in_the_model_too(model) -> None:
    basis = model.expression_basis.flatten(1)
    mirrored = mirror_points(model.expression_basis[:20][:, model.mirror]).flatten(1)
    coefficients = torch.linalg.lstsq(basis.T, mirrored.T).solution
    assert (mirrored - coefficients.T @ basis).norm() < 0.15 * mirrored.norm()


def test_rest_is_a_closed_mouth_and_open_eyes(model) -> None:
    assert abs(gap(model.mean, 13, 14)) < 0.012
    assert gap(model.mean, 159, 145) > 0.07 and gap(model.mean, 386, 374) > 0.07
    assert model.from_blendshapes(torch.zeros(3, 52)).abs().max() == 0
    assert model.to_blendshapes(torch.zeros(3, 64)).abs().max() == 0


def test_blendshapes_do_what_they_say(model) -> None:
    rest = model.mean
    blink = blend(model, eyeBlink=1.0)
    assert gap(blink, 159, 145) < 0.15 * gap(rest, 159, 145) and gap(blink, 386, 374) < 0.15 * gap(rest, 386, 374)
    wink = blend(model, eyeBlinkLeft=1.0)
    assert gap(wink, 386, 374) < 0.2 * gap(rest, 386, 374) and gap(wink, 159, 145) > 0.85 * gap(rest, 159, 145)
    jaw = blend(model, jawOpen=0.6)
    assert gap(jaw, 13, 14) > 0.15 and jaw[152, 1] < rest[152, 1] - 0.1
    assert abs(gap(jaw, 159, 145) / gap(rest, 159, 145) - 1) < 0.1
    smile, pucker = blend(model, mouthSmile=1.0), blend(model, mouthPucker=1.0)
    mouth = float(rest[291, 0] - rest[61, 0])
    assert smile[291, 0] - smile[61, 0] > 1.1 * mouth and pucker[291, 0] - pucker[61, 0] < 0.9 * mouth
    look = blend(model, eyeLookOutLeft=0.8, eyeLookInRight=0.8)  # the subject looks left: viewer's right
    assert look[473, 0] > rest[473, 0] + 0.01 and look[468, 0] > rest[468, 0] + 0.01


def test_scores_survive_the_way_there_and_back(model) -> None:
    for name in ("jawOpen", "mouthPucker", "mouthSmileLeft", "eyeBlinkRight"):
        weights = torch.zeros(52)
        weights[blendshapes.INDEX[name]] = 0.7
        back = model.to_blendshapes(model.from_blendshapes(weights))
        assert back[blendshapes.INDEX[name]] > 0.4
        assert back.argmax() == blendshapes.INDEX[name]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(320, 320), (480, 270), (240, 400)]))
def test_a_known_face_is_recovered(seed: int, size: tuple[int, int]) -> None:
    model = FaceModel.from_file(WEIGHTS)
    generator = torch.Generator().manual_seed(seed)
    frames = 12
    identity = torch.randn(48, generator=generator)
    expression = 0.6 * torch.randn(frames, 64, generator=generator)
    rotation = euler_to_rotation(0.25 * torch.randn(frames, 3, generator=generator).clamp(-1.5, 1.5))
    translation = torch.tensor([0.0, 0.2, 8.0]) + torch.randn(frames, 3, generator=generator) * torch.tensor(
        [0.3, 0.3, 0.7]
    )
    track = synthesise(model, identity, expression, rotation, translation, *size)
    fit = fit_track(model, track, FOCAL_RATIO)
    assert fit.identity.shape == (48,) and fit.expression.shape == (frames, 64)
    assert fit.rms_pixels.max() < 0.6
    turn = torch.linalg.matrix_norm(fit.rotation - rotation) / 2**0.5  # radians
    assert turn.max() < 0.06
    assert (fit.translation[:, 2] / translation[:, 2] - 1).abs().max() < 0.06
    known = fit_track(model, track, FOCAL_RATIO, identity=identity)
    truth = model.vertices(identity, expression)
    assert (model.vertices(known.identity, known.expression) - truth).norm(dim=-1).mean() < 0.012  # decimetres
    assert known.rms_pixels.max() < 0.4
    torch.testing.assert_close(known.identity, identity)


def test_a_still_is_the_same_face_as_the_video_it_comes_from(model) -> None:
    generator = torch.Generator().manual_seed(3)
    identity, expression = torch.randn(48, generator=generator), 0.5 * torch.randn(8, 64, generator=generator)
    rotation, translation = torch.eye(3).expand(8, 3, 3), torch.tensor([0.0, 0.0, 8.0]).expand(8, 3)
    track = synthesise(model, identity, expression, rotation, translation)
    still = FaceTrack(track.landmarks[:1], track.blendshapes[:1], track.found[:1], 25.0, 320, 320)
    video = fit_track(model, track, FOCAL_RATIO, identity=identity)
    one = fit_track(model, still, FOCAL_RATIO, identity=identity)
    torch.testing.assert_close(one.expression[0], video.expression[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(one.translation[0], video.translation[0], atol=1e-3, rtol=1e-3)


def test_blinks_are_followed(model) -> None:
    weights = torch.zeros(20, 52)
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        weights[8:13, blendshapes.INDEX[name]] = torch.tensor([0.5, 1.0, 1.0, 0.6, 0.2])
    expression = model.from_blendshapes(weights)
    rotation, translation = torch.eye(3).expand(20, 3, 3), torch.tensor([0.0, 0.0, 8.0]).expand(20, 3)
    track = synthesise(model, torch.zeros(48), expression, rotation, translation)
    fit = fit_track(model, track, FOCAL_RATIO)
    vertices = model.vertices(fit.identity, fit.expression)
    gaps = (vertices[:, 159, 1] - vertices[:, 145, 1]) / gap(model.mean, 159, 145)
    assert gaps[9] < 0.2 and gaps[:7].min() > 0.9 and gaps[15:].min() > 0.9


def test_similarity_undoes_a_known_one() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(4, 30, 3, generator=generator)
    rotation = euler_to_rotation(torch.randn(4, 3, generator=generator))
    offset, scale = torch.randn(4, 3, generator=generator), torch.rand(4, generator=generator) + 0.5
    moved = scale[:, None, None] * points @ rotation.mT + offset[:, None]
    found = similarity(points, moved, torch.full((30,), 1 / 30))
    for value, expected in zip(found, (scale, rotation, offset)):
        torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-4)


def test_saved_and_loaded_models_are_equal(model, tmp_path) -> None:
    model.save(tmp_path / "copy.safetensors")
    copy = FaceModel.from_file(tmp_path / "copy.safetensors")
    assert copy.version == model.version
    for name, value in model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value), name


def test_broken_files_are_explained(tmp_path) -> None:
    with pytest.raises(WeightsMissingError, match="missing.safetensors"):
        FaceModel.from_file(tmp_path / "missing.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"version https://git-lfs")
    with pytest.raises(WeightsMissingError):
        FaceModel.from_file(broken)
    save_file({"mean": torch.zeros(3)}, tmp_path / "other.safetensors", metadata={"version": "x"})
    with pytest.raises(WeightsMissingError, match="lacks expression_basis"):
        FaceModel.from_file(tmp_path / "other.safetensors")
