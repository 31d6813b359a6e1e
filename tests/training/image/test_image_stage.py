"""Layers are drawn once, a step's pictures are a function of the step, and the image network learns from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mggtalk.cli.train import make_stage
from mggtalk.config import InpaintConfig, PipelineConfig
from mggtalk.errors import MediaError, OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import euler_to_rotation
from mggtalk.inpaint.image_renderer import CHANGE, EXPRESSION, describe_change
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import MotionFrame
from mggtalk.training.config import CompletionConfig, TrainConfig
from mggtalk.training.data.corpus import Clip, open_corpus
from mggtalk.training.image.draw import draw_shards
from mggtalk.training.image.samples import ImageSamples, mirror_change
from mggtalk.training.image.shards import Region, Shard, open_shard
from mggtalk.training.image.stage import ImageStage
from mggtalk.training.trainer import LOG, Trainer

SMALL = PipelineConfig(name="small", inpaint=InpaintConfig(width=4, side=128))
QUICK = TrainConfig(
    steps=4,
    learning_rate=3e-3,
    warmup=1,
    ema=0.5,
    picture=128,
    log_every=1,
    save_every=2,
    picture_every=4,
    train=ImageStage.networks,
    completion=CompletionConfig(
        pairs=2, following=1.0, crop=64, piece=48, adversarial=0.002, adversarial_from=0.5, critic_width=4
    ),
)


@pytest.fixture(scope="module")
def clips(stored: Path) -> list[Clip]:
    return open_corpus(stored)


@pytest.fixture(scope="module")
def shards(clips: list[Clip], pipeline: MGGTalkPipeline, tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    return draw_shards(pipeline, clips, tmp_path_factory.mktemp("layers"), QUICK)


def test_a_shard_holds_the_frames_and_what_is_drawn_for_them(shards: list[Shard], clips: list[Clip]) -> None:
    (shard,) = shards  # the mirror image is left out
    assert shard.side == 128 and shard.count >= 4
    layers, real = shard.read(0)
    assert real.shape == (1, 3, 128, 128) and layers.change.shape == (1, CHANGE)
    assert 0 < float(layers.gate) < 1
    # The person of the clip stands still but for the shift: what is drawn resembles what is real.
    face = shard.regions()[0] == Region.FACE
    assert (layers.composite - real)[0, :, face].abs().mean() < 0.06
    assert layers.alpha[0, 0][face].mean() > 0.95
    assert set(shard.regions().unique().tolist()) == {int(region) for region in Region}
    following = shard.neighbours()
    assert bool((following >= 0).any())


def test_what_is_there_is_not_drawn_again_and_damage_is_told(
    shards: list[Shard], clips: list[Clip], tmp_path: Path
) -> None:
    path = tmp_path / "layers" / shards[0].path.name
    path.parent.mkdir()
    path.write_bytes(shards[0].path.read_bytes())
    written = path.stat().st_mtime_ns
    seen: list[tuple[int, int]] = []
    pipe = MGGTalkPipeline.from_pretrained(config=SMALL, prior=True)
    stage = make_stage(pipe, clips, QUICK, tmp_path, lambda _, *counts: seen.append(counts))
    assert isinstance(stage, ImageStage)
    assert path.stat().st_mtime_ns == written
    assert stage.samples.shards == [replace(shards[0], path=path)]
    assert seen == [(1, 1)]
    path.write_bytes(b"half of one")
    with pytest.raises(MediaError, match="drawn again"):
        open_shard(path)


def test_pictures_are_a_function_of_the_step(shards: list[Shard], face_model: FaceModel) -> None:
    config = replace(QUICK, completion=replace(QUICK.completion, neighbours=2))
    first, second = (ImageSamples(shards, face_model, config) for _ in range(2))
    second.draw(3)
    one, other = first.draw(7), second.draw(7)
    assert all(torch.equal(a, b) for a, b in zip(one.layers, other.layers))
    assert torch.equal(one.real, other.real) and one.real.shape == (4, 3, 128, 128)
    assert torch.equal(one.windows, other.windows) and 0 <= one.windows.min() and one.windows.max() <= 64
    assert not torch.equal(one.real, first.draw(8).real)
    assert max(len(first.draw(index).before) for index in range(8)) == 2
    with pytest.raises(OptionError, match="crops are 256"):
        ImageSamples(shards, face_model, replace(config, completion=replace(config.completion, crop=256)))
    with pytest.raises(OptionError, match="no pairs"):
        ImageSamples([], face_model, config)


def test_a_mirrored_change_is_that_of_the_mirrored_face(face_model: FaceModel) -> None:
    mirror = mirror_change(face_model)
    torch.testing.assert_close(mirror @ mirror, torch.eye(CHANGE), atol=2e-3, rtol=0)
    generator = torch.Generator().manual_seed(0)
    expression = torch.randn(EXPRESSION, generator=generator)
    turned = (expression @ mirror[:EXPRESSION, :EXPRESSION]) @ face_model.expression_basis.flatten(1)
    wanted = (expression @ face_model.expression_basis.flatten(1)).view(-1, 3)[face_model.mirror] * torch.tensor(
        (-1.0, 1.0, 1.0)
    )
    torch.testing.assert_close(turned.view(-1, 3), wanted, atol=1e-3, rtol=0)
    angles, shift = torch.tensor((0.1, 0.2, 0.3)), torch.tensor((0.4, 0.5, 9.0))
    still = MotionFrame(torch.zeros(EXPRESSION), torch.eye(3), torch.tensor((0.0, 0.0, 9.0)))
    seen = describe_change(MotionFrame(still.expression, euler_to_rotation(angles), shift), still)
    signs = torch.tensor((1.0, -1.0, -1.0))
    flipped = MotionFrame(still.expression, euler_to_rotation(signs * angles), shift * torch.tensor((-1.0, 1.0, 1.0)))
    torch.testing.assert_close(seen @ mirror, describe_change(flipped, still), atol=1e-5, rtol=0)


def train(shards: list[Shard], folder: Path, stop: bool = False) -> MGGTalkPipeline:
    pipe = MGGTalkPipeline.from_pretrained(config=SMALL, prior=True)

    def killed(stage: str, done: int, total: int) -> None:
        if stop and done == 2:
            raise KeyboardInterrupt

    Trainer(pipe, ImageStage(pipe, shards, QUICK), folder, QUICK).run(killed)
    return pipe


def test_it_learns_resumes_and_leaves_weights_that_load(shards: list[Shard], tmp_path: Path) -> None:
    pipe = train(shards, tmp_path / "whole")
    assert not pipe.image_renderer.untrained
    with pytest.raises(KeyboardInterrupt):
        train(shards, tmp_path / "halves", stop=True)
    train(shards, tmp_path / "halves")
    logs = [
        [json.loads(line) for line in (tmp_path / name / LOG).read_text().splitlines()] for name in ("whole", "halves")
    ]
    whole, halves = ([line["total"] for line in log] for log in logs)
    assert halves == pytest.approx(whole, abs=2e-6)
    assert "adversarial" not in logs[0][0] and logs[0][-1]["adversarial"] != 0  # the critic counts late
    loaded = MGGTalkPipeline.from_pretrained(tmp_path / "whole" / "weights")
    assert not loaded.image_renderer.untrained and loaded.sgp.decoder.untrained
