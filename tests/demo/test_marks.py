"""The page's reader of marks."""

from __future__ import annotations

import gradio as gr
import pytest
from PIL import Image

from demo.marks import findings
from mggtalk.errors import MediaError
from mggtalk.media import save_image


@pytest.fixture(scope="module")
def studio(page):
    """What the page works with."""
    return next(fn.fn.__self__._studio for fn in page.fns.values() if fn.api_name == "check")


def test_what_mggtalk_made_is_told_from_what_it_did_not(studio, files, tmp_path, astronaut):
    visitor = gr.Request(session_hash="marks")
    made, other, text = tmp_path / "made.png", tmp_path / "other.png", tmp_path / "text.bin"
    save_image(made, astronaut)
    Image.fromarray(astronaut).save(other)
    text.write_bytes(b"no picture")
    found = findings(studio.verify(str(made), visitor))
    assert "<b>AI-made.</b>" in found and "metadata" in found and "watermark" in found
    assert "No mark of MGGTalk" in findings(studio.verify(str(other), visitor))
    with pytest.raises(MediaError):
        studio.verify(str(text), visitor)
    studio.leave(visitor)
