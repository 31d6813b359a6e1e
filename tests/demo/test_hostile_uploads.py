"""Files that are made to do harm: a clear message each, the server lives, nothing is left on its disk."""

from __future__ import annotations

import re
import tempfile

import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError

from tests.demo.visits import visit
from tests.folders import files_below
from tests.hostile import SECRET, hostile_images, hostile_sounds, hostile_videos, strange_names


@pytest.fixture(scope="module")
def client(page):
    return visit(page.local_url)


@pytest.mark.parametrize(
    ("make", "endpoint", "parameter"),
    [
        (hostile_images, "/check", "portrait"),
        (hostile_videos, "/reenact", "driving"),
        (hostile_sounds, "/talk", "speech"),
    ],
)
def test_hostile_files_get_a_message_and_leave_nothing(
    client, files, cache, tmp_path, monkeypatch, make, endpoint, parameter
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no other process's files
    portrait = {} if endpoint == "/check" else {"portrait": handle_file(str(files / "portrait.png")), "consent": True}
    left = set(tmp_path.glob("mggtalk-*"))
    videos = {path for path in files_below(cache) if path.match("mggtalk_*.mp4")}
    for name, hostile in make(tmp_path).items():
        with pytest.raises(AppError) as caught:
            client.predict(api_name=endpoint, **portrait, **{parameter: handle_file(str(hostile.path))})
        message = str(caught.value)
        assert re.search(hostile.words, message), (name, message)
        assert "Traceback" not in message and str(cache) not in message and SECRET.decode() not in message, name
    assert set(tmp_path.glob("mggtalk-*")) == left
    assert {path for path in files_below(cache) if path.match("mggtalk_*.mp4")} <= videos
    report = client.predict(api_name="/check", portrait=handle_file(str(files / "portrait.png")))
    assert report["usable"], "the server lives"


def test_strange_names_are_only_names(client, files, tmp_path):
    for path in strange_names(tmp_path, ".png", (files / "portrait.png").read_bytes()):
        assert client.predict(api_name="/check", portrait=handle_file(str(path)))["usable"], path.name
