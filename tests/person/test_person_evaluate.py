"""Evaluation of person-specific heads: columns, the table, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.cli.parser import main
from mggtalk.config import CONSENT
from mggtalk.errors import OptionError
from mggtalk.evaluation.comparison import Perception
from mggtalk.nets.perceptual import LPIPS
from mggtalk.person import evaluate
from mggtalk.person.adapt import AdaptConfig
from mggtalk.person.blendshapes.codes import CodeConfig
from mggtalk.person.blendshapes.learn import LearnConfig
from mggtalk.person.evaluate import BEST, METHODS, ONE_SHOT, choose_columns, evaluate_person, markdown, measure_clip
from mggtalk.person.footage import Candidate, Footage, open_clip
from mggtalk.person.talking_gaussian.config import LearnConfig as TalkingLearnConfig
from mggtalk.pipeline import MGGTalkPipeline
from tests.person.talking_gaussian.conftest import SMALL

CONFIG = AdaptConfig(
    held_out=0.3,
    crop="none",
    portraits=1,
    codes=CodeConfig(poses=2, eyes=2, mouths=2, head_side=16, eyes_cells=500, mouth_cells=500),
    learn=LearnConfig(minutes=600.0, steps=2, lpips=0.0),
    talking=SMALL,
    learn_talking=TalkingLearnConfig(minutes=600.0, steps=2, drift_frames=2, light_frames=2, open_frames=2, lpips=0.0),
)


def test_all_methods_are_measured_on_the_same_held_out_frames(
    pipeline: MGGTalkPipeline, clip: Path, tmp_path: Path
) -> None:
    scores = evaluate_person(pipeline, [clip], CONFIG, CONSENT, most=1, out=tmp_path)
    rows = scores[clip.name]
    assert list(rows) == [ONE_SHOT, BEST, "blendshapes", "talking-gaussian"]
    for row in rows.values():
        # The true torso and background leave only the head to be wrong.
        assert row.head.psnr > row.pictures.psnr and row.head.lpips_vgg < row.pictures.lpips_vgg
        assert all(map(math.isfinite, (row.lmd, row.upper, row.lower))) and row.fps > 0
    assert rows[BEST].minutes == 0.0 < rows["talking-gaussian"].minutes
    report = (tmp_path / "person.md").read_text()
    assert report == markdown(scores) and report.count("| talking-gaussian |") == 1
    assert (tmp_path / "sheets" / f"{clip.stem}.png").is_file()


def test_what_is_learned_stands_before_what_the_clip_shows_of_the_background(
    pipeline: MGGTalkPipeline, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_behind(
        pipe: MGGTalkPipeline, footage: Footage, portrait: Candidate, avatar: Avatar
    ) -> tuple[None, Avatar]:
        black = avatar.plates._replace(background=torch.zeros_like(avatar.plates.background))
        return None, avatar.with_(plates=black)

    monkeypatch.setattr(evaluate, "look_behind", look_behind)
    found, columns = open_clip(pipeline, clip, CONFIG.held_out, CONFIG.crop), {"blendshapes": METHODS["blendshapes"]}
    rows = measure_clip(pipeline, clip, found, CONFIG, columns, 1, Perception(LPIPS("alex")))
    assert rows["blendshapes"].pictures.psnr < rows[BEST].pictures.psnr - 3.0


def test_columns_of_ablations_change_what_they_say() -> None:
    columns = choose_columns(["all"])
    assert {"blendshapes", "talking-gaussian", "talking-gaussian + colour MLP", "w/o face-mouth"} <= set(columns)
    config = AdaptConfig()
    assert columns["talking-gaussian + colour MLP"](config).talking.colour
    assert not columns["w/o face-mouth"](config).talking.face_mouth
    assert not columns["w/o motion"](config).talking.motion
    assert not columns["w/o incremental"](config).learn_talking.incremental
    assert np.all([change(config).method == "talking-gaussian" for name, change in columns.items() if "w/o" in name])


def test_what_cannot_be_measured_is_refused(pipeline: MGGTalkPipeline, clip: Path) -> None:
    with pytest.raises(OptionError, match="Unknown part teeth"):
        choose_columns(["teeth"])
    with pytest.raises(OptionError, match="held-out share"):
        evaluate_person(pipeline, [clip], replace(CONFIG, held_out=0.0), CONSENT)
    with pytest.raises(OptionError, match="agreed to it only"):
        evaluate_person(pipeline, [clip], CONFIG, "")


def test_command_line_asks_for_consent_first(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--clips", str(clip.parent), "--mode", "person"]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "agreed to it only" in lines[0]
