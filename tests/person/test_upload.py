"""An adapter on the page: it brings its portrait, and the visitor's avatar of that portrait is the learned one."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from demo.film import Portrait
from demo.memory import set_aside
from demo.studio import Studio
from mggtalk.avatar.adapter import Adapter
from mggtalk.avatar.adapter_file import AdapterFile, Facts, write_adapter
from mggtalk.config import CONSENT
from mggtalk.errors import MediaError
from mggtalk.pipeline import MGGTalkPipeline


@pytest.fixture
def studio(pipeline: MGGTalkPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    set_aside()  # as the app does
    return Studio(pipeline)


def file(pipeline: MGGTalkPipeline, adapter: Adapter, portrait: np.ndarray, path: Path, face_model: str = "") -> str:
    facts = Facts(CONSENT, face_model or pipeline.face_model.version, trained=False, seconds=3.0, steps=1)
    return str(write_adapter(path, AdapterFile(adapter, portrait, None, facts)))


def test_uploaded_adapter_is_used_for_its_portrait_until_it_goes(
    studio: Studio, pipeline: MGGTalkPipeline, something: Adapter, astronaut: np.ndarray, tmp_path: Path
) -> None:
    somebody, other = (gr.Request(session_hash=name) for name in ("somebody", "other"))
    (tmp_path / "cache" / "upload").mkdir(parents=True)  # the page deletes nothing outside its own folder
    path = file(pipeline, something, astronaut, tmp_path / "cache" / "upload" / "a.safetensors")
    portrait = studio.adopt(path, somebody)
    assert portrait is not None and Path(portrait).is_file()
    assert studio.avatar(Portrait(portrait), somebody).adapter is not None
    assert studio.avatar(Portrait(portrait), other).adapter is None, "it is one visitor's own"
    assert studio.adopt(None, somebody) is None
    assert studio.avatar(Portrait(portrait), somebody).adapter is None
    studio.visitors.leave(somebody)
    studio.visitors.leave(other)
    assert not Path(portrait).exists() and not Path(path).exists()


def test_foreign_files_are_refused(
    studio: Studio, pipeline: MGGTalkPipeline, something: Adapter, astronaut: np.ndarray, tmp_path: Path
) -> None:
    somebody = gr.Request(session_hash="somebody")
    other_model = file(pipeline, something, astronaut, tmp_path / "b.safetensors", face_model="another one")
    with pytest.raises(MediaError, match="another one"):
        studio.adopt(other_model, somebody)
    text = tmp_path / "text.safetensors"
    text.write_text("nothing of the kind")
    with pytest.raises(MediaError, match="cannot be read as an adapter"):
        studio.adopt(str(text), somebody)
    assert not studio.visitors.of(somebody).adapters
