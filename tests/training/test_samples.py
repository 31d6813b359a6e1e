"""What a step sees: always the same for the same index, and the piece of the picture that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import LIPS
from mggtalk.training.config import LossConfig, TrainConfig, WindowConfig
from mggtalk.training.data.corpus import open_corpus
from mggtalk.training.head.samples import Samples, window
from mggtalk.training.recipes import RECIPES, recipe

CONFIG = TrainConfig(
    targets=2, window=WindowConfig(side=48, mouth=1.0, eyes=0.0, jitter=0.0), loss=LossConfig(mouth=3.0)
)


def test_a_sample_is_a_function_of_its_index(stored: Path, face_model: FaceModel) -> None:
    clips = open_corpus(stored)
    one, again, other = (Samples(clips, face_model, CONFIG).draw(index) for index in (5, 5, 6))
    assert torch.equal(one.background, again.background) and one.name == again.name
    for first, second in zip(one.targets, again.targets):
        assert first.corner == second.corner and torch.equal(first.image, second.image)
    assert not torch.equal(one.background, other.background)


def test_a_mouth_window_shows_the_mouth_and_weighs_it(stored: Path, face_model: FaceModel) -> None:
    sample = Samples(open_corpus(stored), face_model, CONFIG).draw(0)
    for target in sample.targets:
        assert target.image.shape == (3, 48, 48) and target.head.shape == target.weight.shape == (1, 48, 48)
        assert target.weight[0, 24, 24] == 4.0  # the middle of the window is mouth
        assert target.weight[0, 0, 0] == 1.0


def test_windows_stay_in_the_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    landmarks = torch.rand(478, 2, generator=generator) * 20.0  # a face in the corner
    for _ in range(20):
        left, top, side = window(landmarks, 64, WindowConfig(side=40), generator)
        assert 0 <= left <= 64 - side and 0 <= top <= 64 - side and side == 40
    assert window(landmarks, 32, WindowConfig(side=40), generator)[2] == 32


def test_mouth_windows_follow_the_lips() -> None:
    landmarks = torch.full((478, 2), 100.0)
    landmarks[list(LIPS)] = torch.tensor((150.0, 180.0))
    config = WindowConfig(side=40, mouth=1.0, jitter=0.0)
    assert window(landmarks, 256, config, torch.Generator().manual_seed(0)) == (130, 160, 40)


def test_recipes_change_by_name() -> None:
    config = recipe("cpu", ("loss.lpips=0.5", "targets=7", 'train=["sgp", "refine"]', "learning_rate=1"))
    assert (config.loss.lpips, config.targets, config.train) == (0.5, 7, ("sgp", "refine"))
    assert config.learning_rate == 1.0
    assert replace(config, targets=3).window == RECIPES["cpu"].window


@pytest.mark.parametrize("change", ["loss.lpips", "loss.nothing=1", "targets=many", "targets.x=1", "loss=1"])
def test_settings_that_do_not_fit_are_named(change: str) -> None:
    with pytest.raises(OptionError, match=change.partition("=")[0]):
        recipe("cpu", (change,))


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(OptionError, match="soup"):
        recipe("soup")
