"""Every architecture of transformers that is offered, tiny and random, through the real loader."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")

from mggtalk.depth.transformers_models import load_transformers_estimator, prepare  # noqa: E402
from mggtalk.errors import WeightsMissingError  # noqa: E402


def depth_anything(**more):
    config = transformers.DepthAnythingConfig(
        backbone_config=transformers.Dinov2Config(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
            out_indices=[1, 2],
            reshape_hidden_states=False,
            apply_layernorm=True,
        ),
        reassemble_hidden_size=16,
        reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        patch_size=14,
        **more,
    )
    return transformers.DepthAnythingForDepthEstimation(config), {"height": 56, "width": 56}


def dpt():
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    return transformers.DPTForDepthEstimation(config), {"height": 32, "width": 32}


def zoedepth():
    config = transformers.ZoeDepthConfig(
        backbone_config=transformers.BeitConfig(
            image_size=32,
            patch_size=16,
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            out_indices=[1, 2, 3, 4],
            reshape_hidden_states=False,
            use_relative_position_bias=True,
        ),
        backbone_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        bin_embedding_dim=4,
        num_attractors=[2, 2, 2, 1],
        patch_transformer_hidden_size=8,
        patch_transformer_intermediate_size=8,
        patch_transformer_num_attention_heads=2,
        bin_configurations=[{"n_bins": 4, "min_depth": 0.1, "max_depth": 2.0, "name": "tiny"}],
    )
    return transformers.ZoeDepthForDepthEstimation(config), {"height": 32, "width": 48}


def depth_pro():
    dino = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4, apply_layernorm=True
    )
    config = transformers.DepthProConfig(
        patch_size=8,
        fusion_hidden_size=8,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[8, 8],
        use_fov_model=False,
        image_model_config=dino,
        patch_model_config=dino,
        fov_model_config=dino,
    )
    return transformers.DepthProForDepthEstimation(config), {"height": 32, "width": 32}


def tipsv2():
    config = transformers.Tipsv2DptConfig(
        backbone_config={
            "model_type": "tipsv2_vision_model",
            "hidden_size": 16,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
            "out_indices": [1, 2, 3, 4],
            "apply_layernorm": True,
            "reshape_hidden_states": False,
        },
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        num_depth_bins=8,
    )
    return transformers.Tipsv2DptForDensePrediction(config), {"height": 28, "width": 28}


def sapiens2():
    config = transformers.Sapiens2Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_attention_heads=2,
        num_first_full_attention_layers=1,
        num_last_full_attention_layers=1,
        num_register_tokens=1,
        image_size=[64, 48],
        patch_size=16,
        num_labels=3,
        head_config={
            "upsample_out_channels": [8, 8],
            "upsample_kernel_sizes": [4, 4],
            "conv_out_channels": [8],
            "conv_kernel_sizes": [1],
        },
    )
    return transformers.Sapiens2ForNormalEstimation(config), {"height": 64, "width": 48}


MODELS = {
    "depth-anything": (depth_anything, "disparity"),
    "dpt": (dpt, "disparity"),
    "zoedepth": (zoedepth, "depth"),
    "depth-pro": (depth_pro, "disparity"),
    "tipsv2": (tipsv2, "depth and normals"),
    "sapiens2": (sapiens2, "normals"),
}


def save(model, size: dict, folder: Path, **more) -> Path:
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": size, **more}))
    return folder


@pytest.mark.parametrize(("build", "gives"), MODELS.values(), ids=MODELS.keys())
def test_each_model_gives_what_it_says_for_a_square_picture(build, gives, tmp_path) -> None:
    torch.manual_seed(0)
    model, size = build()
    estimator = load_transformers_estimator("tiny", save(model, size, tmp_path))
    picture = np.random.default_rng(0).random((40, 40, 3), dtype=np.float32)
    estimate = estimator(picture)
    assert estimate.disparity == (gives == "disparity")
    assert (estimate.depth is None) == (gives == "normals")
    if estimate.depth is not None:
        assert estimate.depth.ndim == 2 and np.isfinite(estimate.depth).all()
        assert estimate.depth.shape[0] == estimate.depth.shape[1]
    assert (estimate.normals is None) == ("normals" not in gives)
    if estimate.normals is not None:
        assert estimate.normals.shape[0] == 3 and estimate.normals.shape[1] == estimate.normals.shape[2]
        assert np.allclose(np.linalg.norm(estimate.normals, axis=0), 1.0, atol=1e-4)
        assert not estimate.signs_known


def test_a_metric_depth_anything_gives_depth(tmp_path) -> None:
    model, size = depth_anything(depth_estimation_type="metric", max_depth=20)
    estimator = load_transformers_estimator("tiny", save(model, size, tmp_path))
    assert not estimator(np.zeros((16, 16, 3), np.float32)).disparity


def test_the_stated_input_is_used(tmp_path) -> None:
    model, _ = dpt()
    folder = save(model, {"height": 64, "width": 96}, tmp_path, image_mean=[0.1, 0.2, 0.3], image_std=[1.0, 2.0, 4.0])
    estimator = load_transformers_estimator("tiny", folder)
    assert estimator.size == (64, 64)  # a square of the smaller side: the picture is square
    assert estimator.statistics == ((0.1, 0.2, 0.3), (1.0, 2.0, 4.0))
    save(model, {"shortest_edge": 32}, tmp_path, do_normalize=False, image_mean=[0.1, 0.2, 0.3])
    again = load_transformers_estimator("tiny", folder)
    assert again.size == (32, 32) and again.statistics == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_a_picture_is_normalised_and_gets_black_bars() -> None:
    pixels, window = prepare(np.full((10, 10, 3), 0.6, np.float32), (32, 24), ((0.5,) * 3, (0.25,) * 3))
    assert pixels.shape == (1, 3, 32, 24) and window == (4, 0, 24, 24)
    assert torch.allclose(pixels[0, :, 16, 12], torch.full((3,), 0.4), atol=1e-5)
    assert torch.allclose(pixels[0, :, 3], torch.full((3, 24), -2.0), atol=1e-5)


def test_another_architecture_is_refused(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WeightsMissingError, match="bert"):
        load_transformers_estimator("tiny", tmp_path)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("build", "gives"), MODELS.values(), ids=MODELS.keys())
def test_on_a_cuda_card(build, gives, dtype, tmp_path) -> None:
    model, size = build()
    estimator = load_transformers_estimator("tiny", save(model, size, tmp_path), "cuda", dtype)
    estimate = estimator(np.random.default_rng(0).random((40, 40, 3), dtype=np.float32))
    for found in (estimate.depth, estimate.normals):
        assert found is None or np.isfinite(found).all()
