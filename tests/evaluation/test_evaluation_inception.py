"""The Inception network: its form, by random weights."""

import numpy as np
import pytest
import torch

from mggtalk.evaluation.inception import BRANCH_OF_BRANCHES, SIDE, Inception, _nested


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Inception()


def test_it_has_the_size_of_the_original(network):
    sizes = {name: value.numel() for name, value in network.named_parameters()}
    assert sum(name.endswith("weight") for name in sizes) == 94
    assert sum(sizes.values()) == 21_768_352  # what libraries count without scales, classifiers and their biases
    assert network.mixed_10.tower_1.mixed.conv_1.weight.shape == (384, 384, 3, 1)


def test_frames_become_features(network):
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    (features,) = network.features(iter(frames))
    assert features.shape == (2, network.width) and features.min() >= 0.0
    assert np.abs(features[0] - features[1]).max() > 1e-3
    assert not list(network.features([]))


def test_pictures_of_any_size_are_resized_and_centred(network, monkeypatch):
    seen = []
    monkeypatch.setattr(torch.nn.Sequential, "forward", lambda self, maps: seen.append(maps) or maps)
    network(torch.linspace(0, 1, 2).reshape(1, 1, 1, 2).expand(1, 3, 2, 2))
    (maps,) = seen
    assert maps.shape == (1, 3, SIDE, SIDE)
    assert maps[0, 0, 0, 0] == -1.0 and maps[0, 2, -1, -1] == 1.0
    assert maps[0, 1, 0, SIDE // 2] == pytest.approx(0.0, abs=1e-6)  # corners are not aligned


def test_poolings_differ_from_those_of_image_libraries(network):
    ones = torch.ones(1, 4, 8, 8)
    ramp = torch.arange(64.0).reshape(1, 1, 8, 8)
    for number in range(10):
        block = network.get_submodule(f"mixed_{number}" if number else "mixed")
        if number not in (3, 8):
            torch.testing.assert_close(block["tower_2"].pool(ones), ones)  # zeros outside do not count
            assert block["tower_2"].pool(ramp)[0, 0, 4, 4] == 36.0
    assert network.mixed_10["tower_2"].pool(ramp)[0, 0, 4, 4] == 45.0  # the maximum


@pytest.mark.parametrize(
    "stored, name",
    [
        ("conv_4.beta", "conv_4.beta"),
        ("mixed_7.tower_1.conv_2.var", "mixed_7.tower_1.conv_2.var"),
        ("mixed_9.tower_1_conv_1.mean", "mixed_9.tower_1.conv_1.mean"),
        ("mixed_10.tower_mixed_conv.weight", "mixed_10.tower.mixed.conv.weight"),
        ("mixed_10.tower_1_mixed_conv_1.weight", "mixed_10.tower_1.mixed.conv_1.weight"),
        ("mixed_9.tower_2_conv.weight", "mixed_9.tower_2.conv.weight"),
    ],
)
def test_names_of_the_file_are_names_of_the_network(network, stored, name):
    assert BRANCH_OF_BRANCHES.sub(_nested, stored) == name
    assert name in network.state_dict()
