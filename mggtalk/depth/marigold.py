"""Marigold's two diffusion models, one for depth and one for normals, through diffusers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline, MarigoldDepthPipeline, MarigoldNormalsPipeline
from PIL import Image

from mggtalk.depth.estimator import PictureEstimate
from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.progress import Progress, no_progress


class Marigold:
    """Both models as a :class:`~mggtalk.depth.estimator.PictureEstimator`.

    Args:
        depth: The depth pipeline.
        normals: The normals pipeline.
        steps: Denoising steps; None takes what the weights state.
        ensemble: Estimates that are made one; 3 or more, or 1.
        resolution: Longer edge in pixels at which the networks work; None takes what the weights state.
        seed: The same seed gives the same noise.
    """

    name = "marigold"
    wants_cut_out = False

    def __init__(
        self,
        depth: MarigoldDepthPipeline,
        normals: MarigoldNormalsPipeline,
        steps: int | None = None,
        ensemble: int = 1,
        resolution: int | None = None,
        seed: int = 0,
    ) -> None:
        self.depth = depth
        self.normals = normals
        self.steps = steps
        self.ensemble = ensemble
        self.resolution = resolution
        self.seed = seed

    def __call__(self, picture: np.ndarray, on_progress: Progress = no_progress) -> PictureEstimate:
        """Estimate depth and normals of float32 RGB ``[h, w, 3]``; the maps have the picture's size."""
        image = Image.fromarray((picture * 255).round().clip(0, 255).astype(np.uint8))
        maps = []
        for done, pipeline in enumerate((self.depth, self.normals)):
            on_progress("depth", done, 2)
            out = pipeline(
                image,
                num_inference_steps=self.steps,
                ensemble_size=self.ensemble,
                processing_resolution=self.resolution,
                generator=torch.Generator().manual_seed(self.seed),
                output_type="np",
            )
            maps.append(out.prediction[0])  # [h, w, 1 or 3]
        on_progress("depth", 2, 2)
        return PictureEstimate(depth=maps[0][..., 0], normals=maps[1].transpose(2, 0, 1))


def load_marigold(
    folders: tuple[Path, ...], device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Marigold:
    """Load both pipelines.

    Args:
        folders: Of the depth and the normals pipeline; or one folder that holds them as ``depth`` and ``normals``.
        device: Where they run.
        dtype: By default half precision on CUDA, single precision elsewhere.

    Returns:
        The estimator.
    """
    device = torch.device(device)
    dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
    first, second = folders if len(folders) == 2 else (folders[0] / "depth", folders[0] / "normals")
    return Marigold(
        _load(MarigoldDepthPipeline, first, device, dtype), _load(MarigoldNormalsPipeline, second, device, dtype)
    )


def _load(kind: type[DiffusionPipeline], folder: Path, device: torch.device, dtype: torch.dtype) -> DiffusionPipeline:
    """One pipeline; the hub has its weights in half precision as a variant."""
    if not (folder / "model_index.json").is_file():
        raise WeightsMissingError(f"There is no pipeline in {folder}.", "Give the folder of 'depth' and 'normals'.")
    half = any((folder / "unet").glob("*.fp16.safetensors"))
    pipeline = kind.from_pretrained(folder, variant="fp16" if half else None, dtype=dtype).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
