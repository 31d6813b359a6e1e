"""GeoWizard: depth and normals of a picture by one diffusion model, from stock diffusers parts.

::

    picture ─► resize to 768 ─► VAE mean ─► latent ─┐ (the same for both tasks)
       │                                            ├─► UNet with joint attention, DDIM ─► VAE ─► depth, normals
       └─► CLIP vision (v1) or words (v2) ─► context┘
            noise, the same for both tasks ─────────┘
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from mggtalk.depth.ensemble import joint_depth, joint_normals, to_unit_range
from mggtalk.depth.estimator import PictureEstimate
from mggtalk.depth.geowizard_input import Domain, class_labels, clip_pixels, picture_tensor
from mggtalk.depth.joint_attention import install_joint_attention
from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.progress import Progress, no_progress

LATENT_SCALE = 0.18215
"""Of Stable Diffusion's latents; the VAE of the original does not state it."""

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class GeoWizardConfig:
    """Settings of an estimate."""

    steps: int = 10  # denoising steps; the authors: 10 for use, 50 for comparison
    ensemble: int = 3  # estimates that are made one; the authors: 3 for use, 10 for comparison
    resolution: int = 768  # longer edge in pixels at which the network works
    domain: Domain = "object"  # what the picture shows; a head without background is an object
    seed: int = 0  # the same seed gives the same noise


class GeometryMaps(NamedTuple):
    """GeoWizard's own output."""

    depth: np.ndarray  # [h, w] in [0, 1], 0 near, 1 far
    normals: np.ndarray  # [3, h, w] unit; x LEFT, y up, z toward the viewer


class GeoWizardPipeline(DiffusionPipeline):  # type: ignore[misc]  # diffusers hides its types
    """The networks of GeoWizard v1 (CLIP image context) or v2 (CLIP text context).

    Args:
        unet: Stock UNet with 8 input channels and projected class labels; joint attention is installed here.
        vae: Of Stable Diffusion 2.
        scheduler: DDIM with v-prediction.
        image_encoder: v1; None in v2.
        text_encoder: v2; None in v1.
        tokenizer: v2; None in v1.
        clip_mean: Of the image encoder's pictures.
        clip_std: Likewise.
    """

    model_cpu_offload_seq = "image_encoder->text_encoder->unet->vae"
    _optional_components = ["image_encoder", "text_encoder", "tokenizer"]

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: DDIMScheduler,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        text_encoder: CLIPTextModel | None = None,
        tokenizer: CLIPTokenizer | None = None,
        clip_mean: tuple[float, ...] = CLIP_MEAN,
        clip_std: tuple[float, ...] = CLIP_STD,
    ) -> None:
        super().__init__()
        if (image_encoder is None) == (text_encoder is None):
            raise ValueError("need an image encoder (v1) or a text encoder (v2), and not both")
        self.register_modules(
            unet=unet,
            vae=vae,
            scheduler=scheduler,
            image_encoder=image_encoder,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
        )
        self.register_to_config(clip_mean=tuple(clip_mean), clip_std=tuple(clip_std))
        install_joint_attention(unet)

    @torch.inference_mode()
    def __call__(
        self, picture: Image.Image, config: GeoWizardConfig | None = None, on_progress: Progress = no_progress
    ) -> GeometryMaps:
        """Estimate depth and normals.

        Args:
            picture: Any size and mode.
            config: Steps, ensemble, resolution, domain and seed.
            on_progress: Called with ``depth``, denoising steps done and in all.

        Returns:
            Maps of the picture's size.
        """
        config = config or GeoWizardConfig()
        rgb = picture_tensor(picture, config.resolution).to(self._execution_device)  # [1, 3, h, w]
        latent = self.encode(rgb)  # [1, 4, h/8, w/8]
        context = self.context(rgb, config.domain)  # [2, L, C]
        labels = class_labels(config.domain if self.image_encoder is not None else None)  # [2, 10 or 4]
        generator = torch.Generator().manual_seed(config.seed)
        depths, normals = [], []
        for member in range(config.ensemble):
            noise = torch.randn(latent.shape, generator=generator).to(latent)
            clean = self.denoise(latent, noise, context, labels, config, member, on_progress)  # [2, 4, h/8, w/8]
            decoded = self.decode(clean)  # [2, 3, h, w]
            depths.append(((decoded[0].mean(0).clamp(-1, 1) + 1) / 2).cpu().numpy())  # [h, w]
            normals.append(-_unit(decoded[1]).cpu().numpy())  # [3, h, w]
        self.maybe_free_model_hooks()
        return _at_size(joint_depth(np.stack(depths)), joint_normals(np.stack(normals)), picture.size)

    def encode(self, rgb: Tensor) -> Tensor:
        """Latent ``[1, 4, h/8, w/8]`` of a picture ``[1, 3, h, w]`` in [-1, 1]: the mean, nothing drawn."""
        moments = self.vae.encode(rgb.to(self.vae.dtype)).latent_dist
        return moments.mean.to(self.unet.dtype) * LATENT_SCALE

    def decode(self, latent: Tensor) -> Tensor:
        """Maps ``[2, 3, h, w]`` of latents ``[2, 4, h/8, w/8]``, float32."""
        return self.vae.decode(latent.to(self.vae.dtype) / LATENT_SCALE).sample.float()

    def context(self, rgb: Tensor, domain: Domain) -> Tensor:
        """Embed what cross-attention sees, ``[2, L, C]``: CLIP's view of the picture (v1) or words (v2)."""
        if self.image_encoder is not None:
            pixels = clip_pixels(rgb, self.config.clip_mean, self.config.clip_std)
            seen = self.image_encoder(pixels.to(self.image_encoder.dtype)).image_embeds[:, None]  # [1, 1, C]
        else:
            words = self.tokenizer(f"{domain} geometry", return_tensors="pt").input_ids.to(rgb.device)  # [1, L]
            seen = self.text_encoder(words).last_hidden_state  # [1, L, C]
        return seen.to(self.unet.dtype).expand(2, -1, -1)

    def denoise(
        self,
        latent: Tensor,
        noise: Tensor,
        context: Tensor,
        labels: Tensor,
        config: GeoWizardConfig,
        member: int = 0,
        on_progress: Progress = no_progress,
    ) -> Tensor:
        """Latents of depth and normals ``[2, 4, h/8, w/8]``, both from the same noise ``[1, 4, h/8, w/8]``."""
        scheduler = DDIMScheduler.from_config(self.scheduler.config)  # its steps are a state of this call
        scheduler.set_timesteps(config.steps, device=latent.device)
        picture, geometry = latent.expand(2, -1, -1, -1), noise.repeat(2, 1, 1, 1)
        labels = labels.to(latent)
        total = config.ensemble * config.steps
        for step, time in enumerate(scheduler.timesteps):
            on_progress("depth", member * config.steps + step, total)
            both = torch.cat([picture, geometry], dim=1)  # [2, 8, h/8, w/8], the picture first
            velocity = self.unet(both, time.expand(2), encoder_hidden_states=context, class_labels=labels).sample
            geometry = scheduler.step(velocity, time, geometry).prev_sample
        on_progress("depth", (member + 1) * config.steps, total)
        return geometry


class GeoWizard:
    """GeoWizard as a :class:`~mggtalk.depth.estimator.PictureEstimator`.

    Args:
        pipeline: The networks.
        config: How an estimate is made.
        name: ``geowizard`` or ``geowizard-v2``.
    """

    wants_cut_out = True

    def __init__(
        self, pipeline: GeoWizardPipeline, config: GeoWizardConfig | None = None, name: str = "geowizard"
    ) -> None:
        self.pipeline = pipeline
        self.config = config or GeoWizardConfig()
        self.name = name

    def __call__(self, picture: np.ndarray, on_progress: Progress = no_progress) -> PictureEstimate:
        """Estimate depth and normals of float32 RGB ``[h, w, 3]``; the maps have the picture's size."""
        image = Image.fromarray((picture * 255).round().clip(0, 255).astype(np.uint8))
        maps = self.pipeline(image, self.config, on_progress)
        left_to_right = np.array([-1.0, 1.0, 1.0], np.float32)[:, None, None]
        return PictureEstimate(depth=maps.depth, normals=maps.normals * left_to_right)


def load_geowizard(
    folders: tuple[Path, ...],
    version: Literal["v1", "v2"] = "v1",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    offload: bool = False,
) -> GeoWizardPipeline:
    """Load the published weights or a folder that :meth:`GeoWizardPipeline.save_pretrained` wrote.

    Args:
        folders: Where the parts are looked for, in this order. v1 has all in one folder; v2 keeps its UNet in
            ``unet_v2`` and takes the other parts from Stable Diffusion 2.
        version: v1 is told the picture by CLIP, v2 the domain by words.
        device: Where it runs.
        dtype: Of UNet and encoders; by default half precision on CUDA, single precision elsewhere. The VAE keeps
            single precision: half has too few steps for a smooth depth.
        offload: Keep the networks in main memory and bring them to the device one at a time.

    Returns:
        The pipeline with joint attention.

    Raises:
        WeightsMissingError: If a part is missing.
        OSError: If one cannot be read.
    """
    device = torch.device(device)
    dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
    words = version == "v2"
    unet = "unet_v2" if words and any((folder / "unet_v2").is_dir() for folder in folders) else "unet"
    mean, std = _clip_statistics(folders)
    pipeline = GeoWizardPipeline(
        unet=UNet2DConditionModel.from_pretrained(_part(folders, unet), dtype=dtype).eval(),
        vae=AutoencoderKL.from_pretrained(_part(folders, "vae"), dtype=torch.float32).eval(),
        scheduler=DDIMScheduler.from_pretrained(_part(folders, "scheduler")),
        image_encoder=None
        if words
        else CLIPVisionModelWithProjection.from_pretrained(_part(folders, "image_encoder"), dtype=dtype).eval(),
        text_encoder=CLIPTextModel.from_pretrained(_part(folders, "text_encoder"), dtype=dtype).eval()
        if words
        else None,
        tokenizer=CLIPTokenizer.from_pretrained(_part(folders, "tokenizer")) if words else None,
        clip_mean=mean,
        clip_std=std,
    )
    pipeline.set_progress_bar_config(disable=True)
    if offload and device.type == "cuda":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return pipeline


def _part(folders: tuple[Path, ...], part: str) -> Path:
    """The folder of a part.

    Raises:
        WeightsMissingError: If none of the folders has it.
    """
    for folder in folders:
        if (folder / part).is_dir():
            return folder / part
    places = " or ".join(map(str, folders))
    raise WeightsMissingError(f"There is no {part!r} in {places}.", "Give the folder of all parts of GeoWizard.")


def _clip_statistics(folders: tuple[Path, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation in the feature extractor's file or a saved pipeline's index; otherwise CLIP's own."""
    extractor = folders[0] / "feature_extractor" / "preprocessor_config.json"
    for file, prefix in ((extractor, "image"), (folders[0] / "model_index.json", "clip")):
        stated = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        if f"{prefix}_mean" in stated:
            return tuple(stated[f"{prefix}_mean"]), tuple(stated[f"{prefix}_std"])
    return CLIP_MEAN, CLIP_STD


def _unit(normals: Tensor) -> Tensor:
    """Vectors ``[3, h, w]`` over their length."""
    return normals / (normals.norm(dim=0, keepdim=True) + 1e-5)


def _at_size(depth: np.ndarray, normals: np.ndarray, size: tuple[int, int]) -> GeometryMaps:
    """Bring maps to a width and height: depth bicubic, normals by the nearest pixel."""
    depth = to_unit_range(depth)
    resized = np.asarray(Image.fromarray(depth).resize(size, Image.Resampling.BICUBIC))  # [H, W]
    height, width = depth.shape
    rows = np.arange(size[1]) * height // size[1]
    columns = np.arange(size[0]) * width // size[0]
    return GeometryMaps(resized.clip(0, 1), normals[:, rows[:, None], columns])
