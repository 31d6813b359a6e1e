"""A run learns, can be killed and goes on as if it had not been, and leaves weights that the pipeline loads."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from mggtalk.config import DSGRConfig, InpaintConfig, PipelineConfig, SGPConfig
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.config import LossConfig, TrainConfig, WindowConfig
from mggtalk.training.data.corpus import Clip, open_corpus
from mggtalk.training.head.overfit import face_psnr
from mggtalk.training.head.stage import HeadStage
from mggtalk.training.trainer import LATEST, LOG, WEIGHTS, Trainer

SMALL = PipelineConfig(
    name="small",
    dsgr=DSGRConfig(refine_width=8),
    sgp=SGPConfig(features=8, encoder_width=8, decoder_width=8, sym_width=8, child_width=8, mouth_width=8),
    inpaint=InpaintConfig(width=8),
)
QUICK = TrainConfig(
    steps=4,
    learning_rate=3e-3,
    warmup=1,
    ema=0.5,
    targets=1,
    log_every=1,
    save_every=2,
    picture_every=4,
    loss=LossConfig(perceptual=0.01, layers=("relu1_2",), mouth=1.0),
    window=WindowConfig(side=64),
)


@pytest.fixture
def clips(stored: Path) -> list[Clip]:
    return open_corpus(stored, mirrored=False)


def train(clips: list[Clip], folder: Path, config: TrainConfig) -> MGGTalkPipeline:
    pipe = MGGTalkPipeline.from_pretrained(config=SMALL, prior=True)
    Trainer(pipe, HeadStage(pipe, clips, config), folder, config).run()
    return pipe


def totals(folder: Path) -> list[float]:
    return [json.loads(line)["total"] for line in (folder / LOG).read_text().splitlines()]


def test_a_resumed_run_has_the_losses_of_one_that_never_stopped(clips: list[Clip], tmp_path: Path) -> None:
    train(clips, tmp_path / "whole", QUICK)
    # As if killed after the second step: the schedule is that of the whole run.
    pipe = MGGTalkPipeline.from_pretrained(config=SMALL, prior=True)
    broken = Trainer(pipe, HeadStage(pipe, clips, QUICK), tmp_path / "halves", QUICK)
    with pytest.raises(KeyboardInterrupt):
        broken.run(on_progress=stop_after_two)
    train(clips, tmp_path / "halves", QUICK)
    assert totals(tmp_path / "halves") == pytest.approx(totals(tmp_path / "whole"), abs=2e-6)
    assert len(totals(tmp_path / "whole")) == 4


def stop_after_two(stage: str, done: int, total: int) -> None:
    if done == 2:
        raise KeyboardInterrupt


def test_only_the_first_process_writes_and_all_wait_before_the_rename(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = MGGTalkPipeline.from_pretrained(config=SMALL, prior=True)
    stage = HeadStage(pipe, clips, QUICK)
    calls: list[str] = []
    save, wait, rename = Accelerator.save_state, Accelerator.wait_for_everyone, Path.rename
    monkeypatch.setattr(Accelerator, "save_state", lambda self, to: (calls.append("save"), save(self, to)))
    monkeypatch.setattr(Accelerator, "wait_for_everyone", lambda self: (calls.append("wait"), wait(self)))
    monkeypatch.setattr(Path, "rename", lambda self, to: (calls.append("rename"), rename(self, to)))
    trainer = Trainer(pipe, stage, tmp_path / "first", QUICK)
    calls.clear()
    trainer.save()
    assert calls == ["wait", "save", "wait", "rename", "wait"]
    monkeypatch.setattr(Accelerator, "is_main_process", property(lambda self: False))
    Trainer(pipe, stage, tmp_path / "second", QUICK)
    assert not list((tmp_path / "second").iterdir())


def test_saving_draws_no_random_numbers_and_a_run_leaves_no_thread(clips: list[Clip], tmp_path: Path) -> None:
    pipe = MGGTalkPipeline.from_pretrained(config=SMALL, prior=True)
    config = replace(QUICK, steps=1, save_every=1)
    trainer = Trainer(pipe, HeadStage(pipe, clips, config), tmp_path, config)
    before = torch.get_rng_state()
    trainer.export(tmp_path / "weights of now")
    assert torch.equal(torch.get_rng_state(), before)
    threads = set(threading.enumerate())
    trainer.run()
    left = [t for t in threading.enumerate() if t not in threads and t.name.startswith(("sample", "ThreadPool"))]
    for thread in left:
        thread.join(timeout=30)
    assert not [thread for thread in left if thread.is_alive()]


def test_weights_for_use_load_and_are_no_longer_the_prior(clips: list[Clip], tmp_path: Path) -> None:
    train(clips, tmp_path, QUICK)
    trained = MGGTalkPipeline.from_pretrained(tmp_path / WEIGHTS)
    prior = MGGTalkPipeline.from_pretrained(tmp_path / WEIGHTS, prior=True)
    assert trained.config == SMALL
    assert not trained.sgp.decoder.untrained and not trained.sgp.mouth_decoder.untrained
    assert not trained.refine.untrained
    assert trained.image_renderer.untrained  # this stage does not touch it
    assert face_psnr(trained, clips[0], side=128) != face_psnr(prior, clips[0], side=128)


def test_another_configuration_is_refused_and_more_steps_are_not(clips: list[Clip], tmp_path: Path) -> None:
    quick = replace(QUICK, steps=1, train=("deformation",))
    train(clips, tmp_path, quick)
    with pytest.raises(OptionError, match="learning_rate"):
        train(clips, tmp_path, replace(quick, learning_rate=1e-5))
    train(clips, tmp_path, replace(quick, steps=2))
    assert json.loads((tmp_path / LATEST / "step.json").read_text())["step"] == 2
