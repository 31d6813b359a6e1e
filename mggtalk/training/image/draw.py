"""Drawing the layers that the image network learns from: once, clip by clip; what is there is left alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.errors import OptionError
from mggtalk.inpaint.image_renderer import Layers
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.corpus import Clip
from mggtalk.training.data.pairs import DrivingMotions, PairSampler
from mggtalk.training.image.shards import Shard, find_regions, open_shard, shrink_bytes, write_shard

logger = logging.getLogger(__name__)


class _Pair(NamedTuple):
    """One target of one source."""

    layers: Layers
    real: np.ndarray  # uint8 [S, S, 3]
    region: np.ndarray  # uint8 [S, S]
    neighbour: int


def draw_shards(
    pipe: MGGTalkPipeline, clips: list[Clip], folder: Path, config: TrainConfig, on_progress: Progress = no_progress
) -> list[Shard]:
    """Layers of pairs of every clip, one file each; files that are there already are only indexed.

    Args:
        pipe: Draws them; its image network is not used.
        clips: Of a corpus. Mirror images are left out, as crops are mirrored by themselves.
        folder: Where the files are; made if it is missing.
        config: How many pairs, and which.
        on_progress: Called with stage, clips done and clips in all.

    Returns:
        The files of the clips from which something could be drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = [clip for clip in clips if not clip.mirrored and len(clip) > 1]
    motions = DrivingMotions(pipe.face_model)
    shards = []
    for done, clip in enumerate(clips):
        path = folder / f"{clip.name}.safetensors"
        if not path.exists():
            pairs = list(_pairs(pipe, clip, motions, config))
            if pairs:
                write_shard(path, _tensors(pairs))
        if path.exists():
            shards.append(open_shard(path))
        on_progress("layers", done + 1, len(clips))
    return shards


@torch.inference_mode()
def _pairs(pipe: MGGTalkPipeline, clip: Clip, motions: DrivingMotions, config: TrainConfig) -> Iterator[_Pair]:
    """The pairs of all sources of a clip."""
    generator = torch.Generator().manual_seed(hash((config.seed, *clip.name.encode())) % 2**62)
    drawn = 0
    for source in clip.sources:
        avatar = clip.avatar(source)
        motion = motions.motion(clip, source, avatar)
        animator = pipe.animator(avatar, config.picture)
        try:
            sampler = PairSampler(clip, source, generator, config.pairs)
        except OptionError as error:
            logger.warning("%s", error)
            continue
        frames = list(dict.fromkeys(sampler.draw(min(config.completion.pairs, len(clip) - 1))))
        following = [frame + 1 for frame in frames if frame + 1 < len(clip) and frame + 1 not in frames]
        frames += following[: int(len(frames) * config.completion.following)]
        places = {frame: drawn + place for place, frame in enumerate(frames)}
        drawn += len(frames)
        for frame in frames:
            yield _pair(animator, clip, motion, frame, places.get(frame + 1, -1))


def _pair(animator: Animator, clip: Clip, motion: Motion, frame: int, neighbour: int) -> _Pair:
    """One pair."""
    driven = motion[frame]
    layers = animator.layers(animator.fast_splats(driven.expression, driven), driven)
    side = layers.composite.shape[-1]
    real = (clip.frame(frame) * 255.0 + 0.5).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    assert clip.motion.landmarks is not None
    landmarks = clip.motion.landmarks[frame, :, :2].float() * (side / clip.side)  # [V, 2]
    region = find_regions(landmarks, _bytes(layers.alpha[0, 0]).numpy())
    return _Pair(layers, shrink_bytes(real, side), region, neighbour)


def _tensors(pairs: list[_Pair]) -> dict[str, Tensor]:
    """The tensors of a file, see :mod:`mggtalk.training.image.shards`."""
    return {
        "composite": torch.cat([_bytes(pair.layers.composite.permute(0, 2, 3, 1)) for pair in pairs]),
        "alpha": torch.cat([_bytes(pair.layers.alpha[:, 0]) for pair in pairs]),
        "real": torch.from_numpy(np.stack([pair.real for pair in pairs])),
        "region": torch.from_numpy(np.stack([pair.region for pair in pairs])),
        "gate": torch.cat([pair.layers.gate.reshape(1) for pair in pairs]),
        "change": torch.cat([pair.layers.change for pair in pairs]),
        "neighbour": torch.tensor([pair.neighbour for pair in pairs]),
    }


def _bytes(values: Tensor) -> Tensor:
    """Values in [0, 1] as bytes."""
    return (values.clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8)
