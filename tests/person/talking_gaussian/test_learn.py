"""From a clip to a head: it learns in three stages, can be stopped and resumed, is written and loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mggtalk.config import CONSENT
from mggtalk.errors import MediaError
from mggtalk.person.adapt import Adaptation, AdaptConfig, adapt, write_head
from mggtalk.person.footage import SIDE
from mggtalk.person.load import load_adapter, open_adapter
from mggtalk.person.talking_gaussian.config import LearnConfig, Rates
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.person.talking_gaussian.field_file import FORMAT
from mggtalk.person.talking_gaussian.learn import Learner, Stage, motion_done, rate, stage_at
from mggtalk.person.talking_gaussian.start import fresh_field
from mggtalk.pipeline import MGGTalkPipeline
from tests.person.talking_gaussian.conftest import SMALL

LEARN = LearnConfig(
    minutes=600.0, steps=12, drift_frames=2, light_frames=3, open_frames=2, lpips=0.0, rates=Rates(colour=2e-2)
)


@pytest.fixture(scope="module")
def adaptation(pipeline: MGGTalkPipeline, clip: Path) -> Adaptation:
    config = AdaptConfig(crop="none", portraits=1, method="talking-gaussian", talking=SMALL, learn_talking=LEARN)
    return adapt(pipeline, clip, CONSENT, config)


def test_stages_and_rates() -> None:
    config = LearnConfig(static=0.2, fusion=0.2)
    assert [stage_at(done, config) for done in (0.0, 0.3, 0.9)] == [Stage.STATIC, Stage.MOTION, Stage.FUSION]
    assert motion_done(0.4, config) == pytest.approx(0.5) and motion_done(0.9, config) == 1.0
    assert rate("network", Stage.STATIC, 0.0) == rate("points", Stage.FUSION, 0.9) == 0.0
    assert rate("colour", Stage.STATIC, 0.0) == 1.0 and rate("colour", Stage.FUSION, 1.0) == pytest.approx(0.0)


def test_learning_lowers_the_loss(pipeline: MGGTalkPipeline, adaptation: Adaptation) -> None:
    field = adaptation.file.adapter
    assert isinstance(field, TalkingGaussian) and len(adaptation.losses) == adaptation.file.facts.steps == LEARN.steps
    assert field.face.colour.any() and field.motion.last.weight.any() and field.mouth is not None
    avatar = adaptation.avatar.with_(adapter=None)
    learner = Learner(pipeline, avatar, adaptation.clip.learned, LEARN)
    zeros = fresh_field(pipeline, avatar, adaptation.clip.learned, learner.motion, SMALL).requires_grad_(False)
    before, after = (
        [float(learner.loss(which.touches(avatar), Stage.FUSION, index)) for index in (2, 9, 16)]
        for which in (zeros, field)
    )
    assert all(new < 0.95 * old for old, new in zip(before, after)), (before, after)


def test_stopped_learning_goes_on_as_if_it_had_not_been(
    pipeline: MGGTalkPipeline, adaptation: Adaptation, tmp_path: Path
) -> None:
    avatar, footage = adaptation.avatar.with_(adapter=None), adaptation.clip.learned
    learner = Learner(pipeline, avatar, footage, replace(LEARN, steps=6))
    path = tmp_path / "a.checkpoint"

    def fresh() -> TalkingGaussian:
        return fresh_field(pipeline, avatar, footage, learner.motion, replace(SMALL, drift=False))

    whole = learner.learn(fresh())
    asked: list[int] = []
    first = learner.learn(fresh(), stop=lambda: asked.append(1) or len(asked) > 4, resume=path)
    assert len(first.losses) == 4 and path.exists()
    rest = learner.learn(fresh(), resume=path)
    assert not path.exists()
    np.testing.assert_allclose(rest.losses, whole.losses, rtol=1e-3)
    torch.testing.assert_close(rest.field.face.colour, whole.field.face.colour, atol=1e-3, rtol=1e-2)


def test_less_is_looked_at_where_time_is_short(pipeline: MGGTalkPipeline, adaptation: Adaptation) -> None:
    avatar, footage = adaptation.avatar.with_(adapter=None), adaptation.clip.learned
    learner = Learner(pipeline, avatar, footage, LEARN)
    field = fresh_field(pipeline, avatar, footage, learner.motion, SMALL).requires_grad_(False)
    looks: list[str] = []
    learner.closed_form.solve(field.touches(avatar), lambda stage, _done, _total: looks.append(stage), lambda: 1.0)
    assert looks == ["drift", "light"] * 2, "one frame in each turn"
    assert field.light is not None and field.light.weights.any()
    assert field.drift is not None and field.drift.weights.any() and field.drift.weights.isfinite().all()


def test_checkpoint_of_another_clip_is_not_used(
    pipeline: MGGTalkPipeline, adaptation: Adaptation, tmp_path: Path
) -> None:
    avatar, footage = adaptation.avatar.with_(adapter=None), adaptation.clip.learned
    path = tmp_path / "a.checkpoint"
    for parts, taken in ((footage, 2), (footage.some(12), 2)):
        learner = Learner(pipeline, avatar, parts, replace(LEARN, steps=4))
        asked: list[int] = []
        start = fresh_field(pipeline, avatar, parts, learner.motion, replace(SMALL, light=False, drift=False))
        assert len(learner.learn(start, stop=lambda: asked.append(1) or len(asked) > 2, resume=path).losses) == taken  # noqa: B023


def test_pipeline_loads_what_was_learned(pipeline: MGGTalkPipeline, adaptation: Adaptation, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_head(path, adaptation.file)
    assert path.stat().st_size < 10e6 and [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]
    loaded = load_adapter(pipeline, path)
    assert isinstance(loaded.adapter, TalkingGaussian)
    for name, value in adaptation.file.adapter.tensors().items():
        assert torch.equal(loaded.adapter.tensors()[name], value), name
    motion = adaptation.clip.learned.driving(loaded, pipeline)
    ours, theirs = (pipeline.animator(avatar, SIDE).frame(motion[5]) for avatar in (adaptation.avatar, loaded))
    assert np.abs(ours.astype(int) - theirs).mean() < 1.5  # the background is kept as a JPEG


DAMAGES = {
    "not finite": ("face.colour", lambda value: value * torch.nan, "not finite"),
    "wrong size": ("face.colour", lambda value: value[:, 1:], "size mismatch"),
    "bounds outside": ("face.bounds", lambda value: value + 200, "bounds"),
    "too many": ("mouth.rest", lambda value: value.repeat(9, 1), "its mouth has"),
    "missing": ("motion.last.weight", lambda value: None, "Missing key"),
    "no configuration": ("config", lambda value: value[:9], "does not fit"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused_in_one_line(
    damage: str, pipeline: MGGTalkPipeline, adaptation: Adaptation, tmp_path: Path
) -> None:
    name, change, message = DAMAGES[damage]
    path = tmp_path / "a.safetensors"
    write_head(path, adaptation.file)
    tensors = load_file(path)
    changed = change(tensors.pop(name))
    if changed is not None:
        tensors[name] = changed.contiguous()
    facts = json.dumps(adaptation.file.facts._asdict())
    save_file(tensors, path, metadata={"format": FORMAT, "facts": facts})
    with pytest.raises(MediaError, match=message) as caught:
        open_adapter(pipeline, path)
    assert "\n" not in str(caught.value)
