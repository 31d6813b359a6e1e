"""Tiny networks with random weights, in folders laid out like the published ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

V1_LABELS, V2_LABELS = 10, 4
CONTEXT = 16
"""Width of the tiny UNets' context."""


def unet_settings(labels: int, context: int = CONTEXT) -> dict:
    """GeoWizard's UNet, made narrow: the same blocks, three of four with attention."""
    return {
        "sample_size": 8,
        "in_channels": 8,
        "out_channels": 4,
        "block_out_channels": (32, 32, 64, 64),
        "layers_per_block": 1,
        "attention_head_dim": [2, 2, 4, 4],
        "cross_attention_dim": context,
        "use_linear_projection": True,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": labels,
        "norm_num_groups": 8,
    }


def scheduler_settings() -> dict:
    """GeoWizard's DDIM."""
    return {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }


def tiny_vae():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
    )


def save_old_vae(folder: Path) -> None:
    """A VAE as the published one is: a ``.bin`` with the old names and shapes of attention, and no scaling factor."""
    vae = tiny_vae()
    vae.save_pretrained(folder)
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for key, value in vae.state_dict().items():
        for new, old in names.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        state[key] = value
    torch.save(state, folder / "diffusion_pytorch_model.bin")
    settings = json.loads((folder / "config.json").read_text())
    del settings["scaling_factor"]
    (folder / "config.json").write_text(json.dumps(settings))


def save_text_encoder(folder: Path, width: int = CONTEXT) -> None:
    """A CLIP text encoder and a tokenizer that knows letters."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[])
    tokenizer.model_max_length = 77
    tokenizer.save_pretrained(folder / "tokenizer")
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocabulary),
            hidden_size=width,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=vocabulary["<|startoftext|>"],
            eos_token_id=vocabulary["<|endoftext|>"],
            pad_token_id=vocabulary["<|endoftext|>"],
        )
    ).save_pretrained(folder / "text_encoder")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of networks this small do nothing but wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def geowizard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GeoWizard v1, tiny."""
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path_factory.mktemp("geowizard")
    torch.manual_seed(0)
    UNet2DConditionModel(**unet_settings(V1_LABELS)).save_pretrained(folder / "unet")
    settings = json.loads((folder / "unet" / "config.json").read_text())
    settings |= {"decay": 0.9999, "optimization_step": 7000, "use_ema_warmup": False}  # the published one has them
    (folder / "unet" / "config.json").write_text(json.dumps(settings))
    save_old_vae(folder / "vae")
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=CONTEXT,
            image_size=224,
            patch_size=56,
        )
    ).save_pretrained(folder / "image_encoder")
    DDIMScheduler(**scheduler_settings()).save_pretrained(folder / "scheduler")
    (folder / "feature_extractor").mkdir()
    (folder / "feature_extractor" / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3]})
    )
    return folder


@pytest.fixture(scope="session")
def geowizard_v2_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """GeoWizard v2, tiny: its UNet, and the parts of Stable Diffusion 2."""
    from diffusers import DDIMScheduler, UNet2DConditionModel

    own, base = tmp_path_factory.mktemp("geowizard-v2"), tmp_path_factory.mktemp("sd2")
    torch.manual_seed(0)
    UNet2DConditionModel(**unet_settings(V2_LABELS)).save_pretrained(own / "unet_v2")
    tiny_vae().save_pretrained(base / "vae")
    save_text_encoder(base)
    DDIMScheduler(**scheduler_settings()).save_pretrained(base / "scheduler")
    return own, base


@pytest.fixture(scope="session")
def marigold_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Marigold's two pipelines, tiny, as ``depth`` and ``normals`` in one folder."""
    from diffusers import DDIMScheduler, MarigoldDepthPipeline, MarigoldNormalsPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("marigold")
    torch.manual_seed(0)
    save_text_encoder(folder)
    labels = ("class_embed_type", "projection_class_embeddings_input_dim")
    settings = {key: value for key, value in unet_settings(V1_LABELS).items() if key not in labels}
    for name, kind, prediction in (
        ("depth", MarigoldDepthPipeline, "depth"),
        ("normals", MarigoldNormalsPipeline, "normals"),
    ):
        kind(
            unet=UNet2DConditionModel(**settings),
            vae=tiny_vae(),
            scheduler=DDIMScheduler(**scheduler_settings()),
            text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
            tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            prediction_type=prediction,
            default_denoising_steps=1,
            default_processing_resolution=64,
        ).save_pretrained(folder / name)
    return folder
