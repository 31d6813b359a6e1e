"""From a clip to an adapter: it learns, it is written, it is loaded, and the command line says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.adapter_file import write_adapter
from mggtalk.avatar.touches import Touches
from mggtalk.cli.parser import build_parser, main
from mggtalk.config import CONSENT
from mggtalk.errors import OptionError
from mggtalk.evaluation.metrics import psnr
from mggtalk.face.regions import mouth_mask
from mggtalk.person.adapt import CHOSEN, METHODS, WITH, Adaptation, AdaptConfig, adapt, held_out, made
from mggtalk.person.blendshapes.codes import CodeConfig, fresh_adapter
from mggtalk.person.blendshapes.learn import LearnConfig, Learner
from mggtalk.person.footage import SIDE, open_clip
from mggtalk.person.load import load_adapter
from mggtalk.pipeline import MGGTalkPipeline
from tests.person.conftest import FRAMES

SMALL = CodeConfig(poses=3, eyes=3, mouths=4, head_side=16, eyes_cells=1000, mouth_cells=1000)


LEARN = LearnConfig(minutes=600.0, steps=14, lpips=0.0, rate=4e-3, frozen=0.5)


@pytest.fixture(scope="module")
def adaptation(pipeline: MGGTalkPipeline, clip: Path) -> Adaptation:
    config = AdaptConfig(0.3, "none", portraits=1, method="blendshapes", codes=SMALL, learn=LEARN)
    return adapt(pipeline, clip, CONSENT, config)


def test_learning_lowers_the_loss(pipeline: MGGTalkPipeline, adaptation: Adaptation) -> None:
    assert len(adaptation.losses) == adaptation.file.facts.steps == LEARN.steps
    adapter = adaptation.file.adapter
    assert adapter.mouth.vertices.any() and adapter.mouth.maps.any() and adapter.mouth.sheet.any()
    avatar, footage = adaptation.avatar.with_(adapter=None), adaptation.clip.learned
    learner = Learner(pipeline, avatar, footage, LEARN)
    zeros = fresh_adapter(avatar, pipeline.face_model, learner.motion, SMALL)
    before, after = (
        [float(learner.loss(Touches(which, avatar), index)) for index in (2, 9, 16)] for which in (zeros, adapter)
    )
    assert all(new < 0.9 * old for old, new in zip(before, after)), (before, after)


def test_held_out_seconds_gain(pipeline: MGGTalkPipeline, adaptation: Adaptation) -> None:
    footage = held_out(adaptation, 3)
    errors: dict[str, list[float]] = {}
    for index, frames in enumerate(made(pipeline, adaptation, footage)):
        mask = mouth_mask(footage.landmarks[index], SIDE, SIDE)
        for name, frame in frames.items():
            errors.setdefault(name, []).append(psnr(frame, footage.frames[index], mask))
    assert np.mean(errors[WITH]) > np.mean(errors[CHOSEN]) + 0.3


def test_background_is_seen_behind_the_head(adaptation: Adaptation, astronaut: np.ndarray) -> None:
    assert adaptation.file.background is not None
    corner = (slice(20, 100), slice(20, 90))
    assert np.abs(adaptation.file.background[corner].astype(float) - astronaut[corner]).mean() < 8


def test_pipeline_loads_what_was_learned(
    pipeline: MGGTalkPipeline, adaptation: Adaptation, clip: Path, tmp_path: Path
) -> None:
    path = write_adapter(tmp_path / "a.safetensors", adaptation.file)
    loaded = load_adapter(pipeline, path)
    assert any("learned from a clip" in note for note in loaded.notes)
    motion = adaptation.clip.learned.driving(loaded, pipeline)
    ours, theirs = (pipeline.animator(avatar, SIDE).frame(motion[5]) for avatar in (adaptation.avatar, loaded))
    assert np.abs(ours.astype(int) - theirs).mean() < 1.5  # the background is kept as a JPEG
    plain = pipeline.animator(loaded.with_(adapter=None), SIDE).frame(motion[5])
    assert np.abs(plain.astype(int) - theirs).max() > 10


def test_clip_is_cut_where_it_should(pipeline: MGGTalkPipeline, clip: Path) -> None:
    found = open_clip(pipeline, clip, held_out=0.25, crop="none")
    assert found.held_out is not None and len(found.held_out) == FRAMES // 4
    assert len(found.learned) + len(found.held_out) == FRAMES and found.learned.frames.shape[1:] == (SIDE, SIDE, 3)
    landmarks = found.learned.landmarks
    assert landmarks.shape == (len(found.learned), 478, 2) and landmarks.min() > 0 and landmarks.max() < SIDE
    assert len({candidate.picture.tobytes() for candidate in found.candidates}) == len(found.candidates) >= 2
    assert found.candidates[0].picture.shape == (512, 512, 3) and torch.isfinite(torch.from_numpy(landmarks)).all()


@pytest.mark.parametrize("config", [AdaptConfig(held_out=0.9), AdaptConfig().lasting(0.0)], ids=["held out", "no time"])
def test_settings_are_checked_before_any_work(pipeline: MGGTalkPipeline, config: AdaptConfig) -> None:
    with pytest.raises(OptionError):
        adapt(pipeline, "no such clip.mp4", CONSENT, config)


def test_command_line_and_library_learn_by_the_same_method() -> None:
    options = build_parser().parse_args(["adapt", "--clip", "c.mp4", "--out", "a.safetensors"])
    assert options.method == AdaptConfig().method == METHODS[0] == "talking-gaussian"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clip", "CLIP"], "agreed to it only"),
        (["--clip", "none.mp4", "--consent", CONSENT], "There is no file"),
        (["--clip", "CLIP", "--consent", CONSENT, "--minutes", "-1"], "The time to learn"),
    ],
)
def test_command_line_refuses_in_one_line(
    arguments: list[str], message: str, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.safetensors"
    named = [str(clip) if word == "CLIP" else word for word in arguments]
    assert main(["adapt", *named, "--out", str(out)]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0] and not list(tmp_path.iterdir())


def test_command_line_takes_no_foreign_adapter(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing of the kind")
    assert main(["orbit", "--adapter", str(bad), "--out", str(tmp_path / "o.mp4")]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "cannot be read as an adapter" in lines[0] and not (tmp_path / "o.mp4").exists()
