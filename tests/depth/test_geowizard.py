"""The real loader and sampler of GeoWizard on tiny random weights, and every constant against hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from diffusers.models.attention_processor import AttnProcessor2_0

from mggtalk.depth.geowizard import (
    GeoWizard,
    GeoWizardConfig,
    GeoWizardPipeline,
    load_geowizard,
)
from mggtalk.depth.geowizard_input import class_labels, clip_pixels, picture_tensor, resize_to
from mggtalk.depth.joint_attention import JointAttention
from mggtalk.errors import OptionError

QUICK = GeoWizardConfig(steps=2, ensemble=2, resolution=64)


@pytest.fixture(scope="module")
def wizard(geowizard_folder) -> GeoWizardPipeline:
    return load_geowizard((geowizard_folder,))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((52, 40))


def test_the_loader_gives_depth_in_range_and_unit_normals_of_the_pictures_size(wizard, picture) -> None:
    reports = []
    maps = wizard(picture, QUICK, lambda *report: reports.append(report))
    assert maps.depth.shape == (40, 52) and maps.normals.shape == (3, 40, 52)
    assert 0.0 <= maps.depth.min() < 0.1 and 0.9 < maps.depth.max() <= 1.0
    assert np.allclose(np.linalg.norm(maps.normals, axis=0), 1.0, atol=1e-3)
    assert reports[-1] == ("depth", 4, 4)
    again, other = wizard(picture, QUICK), wizard(picture, GeoWizardConfig(2, 2, 64, seed=1))
    assert np.array_equal(maps.depth, again.depth)
    assert not np.allclose(maps.depth, other.depth)


def test_loading_installs_joint_attention_and_reads_the_encoders_statistics(wizard) -> None:
    processors = wizard.unet.attn_processors
    assert all(
        isinstance(processor, JointAttention if name.endswith("attn1.processor") else AttnProcessor2_0)
        for name, processor in processors.items()
    )
    assert tuple(wizard.config.clip_mean) == (0.5, 0.4, 0.3)


@torch.no_grad()
def test_depth_depends_on_the_normals_beside_it(wizard) -> None:
    """With independent attention the row of depth would not notice the other row's label."""
    latent, context = torch.randn(1, 4, 8, 8), torch.randn(1, 1, 16).expand(2, -1, -1)
    both, time = torch.cat([latent.expand(2, -1, -1, -1)] * 2, dim=1), torch.tensor([501, 501])
    labels = class_labels("object")
    other = labels.clone()
    other[1] += 1.0
    first, second = (
        wizard.unet(both, time, encoder_hidden_states=context, class_labels=label).sample for label in (labels, other)
    )
    assert (first[0] - second[0]).abs().max() > 1e-6


def test_a_saved_pipeline_loads_again(wizard, picture, tmp_path) -> None:
    wizard.save_pretrained(tmp_path)
    again = load_geowizard((tmp_path,))
    assert np.allclose(again(picture, QUICK).depth, wizard(picture, QUICK).depth, atol=1e-5)


def test_v2_is_told_the_domain_by_words(geowizard_v2_folders, picture) -> None:
    wizard = load_geowizard(geowizard_v2_folders, "v2")
    maps = wizard(picture, QUICK)
    assert np.isfinite(maps.depth).all() and np.allclose(np.linalg.norm(maps.normals, axis=0), 1.0, atol=1e-3)
    words = wizard.tokenizer("indoor geometry").input_ids
    context = wizard.context(torch.zeros(1, 3, 8, 8), "indoor")
    assert context.shape == (2, len(words), 16)  # not padded
    assert torch.equal(context[0], context[1])
    assert not torch.equal(wizard.context(torch.zeros(1, 3, 8, 8), "object")[0, 1], context[0, 1])


def test_class_labels_by_hand() -> None:
    s, c = math.sin(1.0), math.cos(1.0)
    expected = [
        [0, s, 1, c, 0, 0, s, 1, 1, c],  # depth (0, 1), object (0, 0, 1)
        [s, 0, c, 1, 0, 0, s, 1, 1, c],  # normals (1, 0)
    ]
    assert torch.allclose(class_labels("object"), torch.tensor(expected, dtype=torch.float32))
    assert torch.allclose(class_labels("indoor")[0, 4:], torch.tensor([s, 0, 0, c, 1, 1]))
    assert torch.allclose(class_labels(None), torch.tensor(expected, dtype=torch.float32)[:, :4])
    with pytest.raises(OptionError, match="underwater"):
        class_labels("underwater")


def test_resizing_keeps_the_originals_rounding() -> None:
    assert resize_to(512, 512, 768) == (768, 768)
    assert resize_to(307, 100, 768)[0] == 767 and resize_to(308, 100, 768)[0] == 768
    assert resize_to(1536, 1000, 768) == (768, 500)


def test_transparency_is_resized_before_it_is_dropped() -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:, :2] = (255, 0, 0, 255)  # opaque red beside invisible black
    rgb = picture_tensor(Image.fromarray(pixels), 16)
    assert rgb.shape == (1, 3, 16, 16) and rgb.dtype == torch.float32
    assert rgb[0, 0, 8, 7] > 0.9  # still red beside the edge: alpha-weighted
    dropped_first = picture_tensor(Image.fromarray(pixels).convert("RGB"), 16)
    assert dropped_first[0, 0, 8, 7] < 0.5


def test_clip_pixels_by_hand() -> None:
    rgb = torch.full((1, 3, 10, 30), 0.5)  # 0.75 in [0, 1]
    pixels = clip_pixels(rgb, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
    assert pixels.shape == (1, 3, 224, 224)
    assert torch.allclose(pixels[0, :, 100, 50], torch.tensor([1.25, 1.4, 1.5]), atol=1e-5)


def test_ddim_steps_and_one_step_by_hand(wizard) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_config(wizard.scheduler.config)
    scheduler.set_timesteps(10)
    assert scheduler.timesteps.tolist() == [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = (1 - betas).cumprod(0)
    sample, velocity = torch.tensor([0.7]), torch.tensor([-0.3])
    for time, before in ((901, 801), (1, 0)):  # the last step goes to the first alpha, not to 1
        now, then = alphas[time], alphas[before]
        clean = now.sqrt() * sample - (1 - now).sqrt() * velocity
        noise = now.sqrt() * velocity + (1 - now).sqrt() * sample
        expected = then.sqrt() * clean + (1 - then).sqrt() * noise
        assert torch.allclose(scheduler.step(velocity, time, sample).prev_sample, expected.float(), atol=1e-5)


def test_the_unet_sees_the_picture_first_and_one_noise_twice(wizard, monkeypatch) -> None:
    seen = []

    class Recorder(torch.nn.Module):
        dtype = torch.float32

        def forward(self, sample, time, encoder_hidden_states, class_labels):
            seen.append((sample, time, class_labels))
            return type("Out", (), {"sample": torch.zeros(2, 4, 8, 8)})

    monkeypatch.setattr(wizard, "unet", Recorder())
    latent, noise = torch.full((1, 4, 8, 8), 5.0), torch.randn(1, 4, 8, 8)
    wizard.denoise(latent, noise, torch.zeros(2, 1, 16), class_labels("object"), GeoWizardConfig(steps=2, ensemble=1))
    sample, time, labels = seen[0]
    assert (sample[:, :4] == 5.0).all() and torch.equal(sample[:, 4:], noise.repeat(2, 1, 1, 1))
    assert time.tolist() == [501, 501] and torch.equal(labels, class_labels("object"))


def test_the_latent_is_the_scaled_mean(wizard) -> None:
    rgb = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        moments = wizard.vae.quant_conv(wizard.vae.encoder(rgb))
        assert torch.allclose(wizard.encode(rgb), moments[:, :4] * 0.18215, atol=1e-6)


def test_signs_of_depth_and_normals(wizard, picture, monkeypatch) -> None:
    """Decoded normals point away from the viewer: the output is turned round, and x to the right for the project."""
    decoded = torch.zeros(2, 3, 64, 64)
    decoded[0] = torch.linspace(-1, 1, 64)  # farther to the right
    decoded[1] = torch.tensor([0.6, -0.48, -0.64])[:, None, None] * 2.0
    monkeypatch.setattr(wizard, "decode", lambda latent: decoded)
    maps = wizard(picture, QUICK)
    assert maps.depth[20, 0] < 0.05 and maps.depth[20, -1] > 0.95
    assert np.allclose(maps.normals[:, 20, 20], [-0.6, 0.48, 0.64], atol=1e-3)
    estimate = GeoWizard(wizard, QUICK)(np.zeros((40, 52, 3), np.float32))
    assert np.allclose(estimate.normals[:, 20, 20], [0.6, 0.48, 0.64], atol=1e-3)
    assert not estimate.disparity and estimate.signs_known


def test_half_precision_networks_and_a_single_precision_vae_work_together(geowizard_folder, wizard, picture) -> None:
    half = load_geowizard((geowizard_folder,), dtype=torch.bfloat16)
    assert half.unet.dtype == half.image_encoder.dtype == torch.bfloat16 and half.vae.dtype == torch.float32
    maps = half(picture, QUICK)
    assert np.isfinite(maps.depth).all() and np.allclose(np.linalg.norm(maps.normals, axis=0), 1.0, atol=1e-3)
    assert np.abs(maps.depth - wizard(picture, QUICK).depth).mean() < 0.1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_on_a_cuda_card(geowizard_folder, geowizard_v2_folders, wizard, picture, dtype, offload) -> None:
    for folders, version in (((geowizard_folder,), "v1"), (geowizard_v2_folders, "v2")):
        there = load_geowizard(folders, version, "cuda", dtype, offload)
        maps = there(picture, QUICK)
        assert np.isfinite(maps.depth).all() and np.allclose(np.linalg.norm(maps.normals, axis=0), 1.0, atol=1e-2)
        if version == "v1" and dtype == torch.float32:
            assert np.abs(maps.depth - wizard(picture, QUICK).depth).mean() < 0.01
