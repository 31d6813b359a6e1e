"""Eq. 7 and its options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from mggtalk.training.config import LossConfig
from mggtalk.training.losses import HeadLoss, ssim_map, weighted_mean


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_ssim_is_that_of_scikit_image_away_from_the_border() -> None:
    one, other = pictures(3, 48, 40), pictures(3, 48, 40, seed=1)
    _, wanted = structural_similarity(
        one.permute(1, 2, 0).numpy(),
        other.permute(1, 2, 0).numpy(),
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    found = ssim_map(one[None], other[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found[6:-6, 6:-6], wanted[6:-6, 6:-6], atol=1e-5)


def test_equal_pictures_cost_nothing_and_the_total_is_eq_7() -> None:
    loss = HeadLoss(LossConfig(layers=("relu1_2",)))
    truth, coarse, dense = pictures(2, 3, 32, 32), pictures(2, 3, 32, 32, seed=1), pictures(2, 3, 32, 32, seed=2)
    weight = torch.ones(2, 1, 32, 32)
    assert float(loss(truth, truth, truth, weight).total) == pytest.approx(0.0, abs=1e-6)
    terms = loss(coarse, dense, truth, weight)
    assert float(terms.l1_coarse) == pytest.approx(float((coarse - truth).abs().mean()), rel=1e-5)
    assert float(terms.l1_dense) == pytest.approx(float((dense - truth).abs().mean()), rel=1e-5)
    wanted = terms.l1_coarse + terms.l1_dense + 0.01 * terms.perceptual + 0.2 * terms.ssim
    assert float(terms.total) == pytest.approx(float(wanted), rel=1e-6)
    assert terms.perceptual > 0 and terms.lpips == 0


def test_lpips_looks_at_as_many_targets_as_it_is_told() -> None:
    loss = HeadLoss(LossConfig(perceptual=0.0, lpips=1.0, lpips_targets=1))
    truth = pictures(2, 3, 32, 32)
    dense = torch.stack([truth[0], pictures(3, 32, 32, seed=3)])  # only the second differs
    assert float(loss(truth, dense, truth, torch.ones(2, 1, 32, 32)).lpips) == pytest.approx(0.0, abs=1e-6)


def test_weights_choose_the_pixels() -> None:
    maps, weight = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    maps[..., 0, 0], weight[..., 0, 0] = 1.0, 2.0
    assert float(weighted_mean(maps, weight)) == pytest.approx(1.0)
