"""The tab *Learn* of the page: a head from a film, that can be stopped, kept, and used as the portrait."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import gradio as gr
import pytest

from demo import learn
from demo.film import Portrait, Step
from demo.learn import NAMES, Head, steps
from demo.line import StoppedError
from demo.memory import set_aside
from demo.studio import Studio
from mggtalk.errors import MGGTalkError
from mggtalk.person.adapt import METHODS, AdaptConfig
from mggtalk.person.blendshapes.codes import CodeConfig
from mggtalk.person.load import open_adapter
from mggtalk.pipeline import MGGTalkPipeline

SOMEBODY = gr.Request(session_hash="somebody")


@pytest.fixture
def studio(pipeline: MGGTalkPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    set_aside()  # as the app does
    return Studio(pipeline)


@pytest.fixture
def film(clip: Path, tmp_path: Path) -> str:
    """An upload."""
    folder = tmp_path / "cache" / "upload"
    folder.mkdir(parents=True)
    return str(shutil.copy(clip, folder))


def test_a_stopped_job_keeps_its_head_which_can_be_used(
    studio: Studio, film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = CodeConfig(poses=3, eyes=3, mouths=4, head_side=16, eyes_cells=500, mouth_cells=500)
    monkeypatch.setattr(learn, "AdaptConfig", partial(AdaptConfig, portraits=1, codes=codes))
    lines, head = [], None
    for step in steps(studio, film, "blendshapes", 10.0, agreed=True, request=SOMEBODY):
        if isinstance(step, Step):
            lines.append(step.line)
            if step.line.startswith("Learning: "):
                studio.visitors.stop(SOMEBODY, learn.TAB)
        else:
            head = step
    assert isinstance(head, Head) and any(line.startswith("Following the face") for line in lines)
    assert Path(head.file).stat().st_size < 10e6 and Path(head.picture).is_file() and "MB" in head.facts
    assert open_adapter(studio.engine.pipe, head.file).facts.steps > 0
    assert any("no voice was learned" in note.lower() for note in head.notes), "the film is silent"
    portrait = studio.adopt(head.file, SOMEBODY)
    assert studio.avatar(Portrait(portrait), SOMEBODY).adapter is not None
    studio.visitors.leave(SOMEBODY)
    assert not Path(head.file).exists() and not Path(film).exists()


def test_a_job_that_is_stopped_too_early_leaves_nothing(studio: Studio, film: str) -> None:
    with pytest.raises(StoppedError, match="before anything was learned"):
        for _ in steps(studio, film, "talking-gaussian", 10.0, agreed=True, request=SOMEBODY):
            studio.visitors.stop(SOMEBODY, learn.TAB)
    assert not list(Path(film).parent.parent.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"film": None}, "no film"),
        ({"method": "guessing"}, "no method 'guessing'"),
        ({"minutes": 90.0}, "Choose a number from 0.5 to 10"),
        ({"agreed": "yes"}, "consent is not ticked"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    studio: Studio, film: str, changes: dict[str, object], message: str
) -> None:
    wanted = {"film": film, "method": "blendshapes", "minutes": 1.0, "agreed": True, **changes}
    with pytest.raises(MGGTalkError, match=message):
        list(steps(studio, request=SOMEBODY, **wanted))  # type: ignore[arg-type]


def test_the_page_offers_every_method() -> None:
    assert set(NAMES) == set(METHODS)
