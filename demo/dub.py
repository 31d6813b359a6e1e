"""The tab *Dub*: a film whose person says something else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo.files import keep
from demo.limits import given
from demo.panel import HEIGHT, PRIVATE
from demo.report import busy, empty, failed, public
from demo.studio import Studio
from demo.uploads import WEBCAM, UploadedAudio, UploadedVideo
from mggtalk.config import CONSENT
from mggtalk.dub.dub import dub
from mggtalk.errors import MGGTalkError, OptionError

HINT = "The film will appear here. It takes a few seconds for each second of it."


def dub_tab(studio: Studio) -> None:
    """Lay out the tab and connect it.

    Args:
        studio: Does the work.
    """
    gr.Markdown(
        "The head, the eyes and all else stay those of the film; the lower face of each frame is moved, and the mouth "
        "opened, as the sound asks. Frames with no face, or with one that is turned away or covered, stay as they are.",
        elem_classes="note",
    )
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            film = UploadedVideo(
                label="Film of one person", sources=["upload", "webcam"], include_audio=True, height=262,
                webcam_options=WEBCAM, elem_id="dub-film",
            )  # fmt: skip
            speech = UploadedAudio(
                label="What is said instead", sources=["upload", "microphone"], type="filepath", editable=False,
                buttons=[], elem_id="dub-speech",
            )  # fmt: skip
        with gr.Column(scale=6, min_width=300):
            agreed = gr.Checkbox(label=CONSENT, container=False, elem_id="dub-consent", elem_classes="consent")
            start = gr.Button("Dub", variant="primary", elem_id="dub-start")
            state = gr.HTML(empty(HINT), elem_id="dub-state")
            video = gr.Video(show_label=False, interactive=False, height=HEIGHT, visible=False, elem_id="dub-video")

    def make(shown: str | None, said: str | None, consent: bool, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        yield busy("Watching the film, then moving its lips", 0.2), gr.skip()
        try:
            path, notes = make_dub(studio, shown, said, consent, request)
        except MGGTalkError as error:
            yield failed(public(error)), gr.skip()
            return
        yield empty(" ".join(notes)), gr.Video(path, visible=True)

    start.click(make, [film, speech, agreed], [state, video], **PRIVATE)


def make_dub(
    studio: Studio, film: str | None, speech: str | None, agreed: bool, request: gr.Request
) -> tuple[str, tuple[str, ...]]:
    """Dub a film.

    Args:
        studio: Does the work.
        film: A video of one person.
        speech: A recording.
        agreed: Whether the person agreed.
        request: Of the visitor.

    Returns:
        Path of the video, the visitor's own, and notes.

    Raises:
        MGGTalkError: If something is missing, cannot be read or shows no face.
    """
    if agreed is not True:
        raise OptionError("The consent is not given.", "Tick that the person in the film agreed.")
    shown = given(film, "film", "Upload a video of one person.")
    said = given(speech, "recording", "Upload one, or record your voice.")
    visitor = studio.visitors.of(request)
    studio.visitors.own(visitor, shown, said)
    with studio.turn(visitor), tempfile.TemporaryDirectory(prefix="mggtalk-") as folder:
        made = dub(studio.engine.pipe, shown, said, CONSENT)
        kept = keep(made.save(Path(folder) / "mggtalk_dub.mp4"))
    studio.visitors.own(visitor, kept)
    return kept, made.notes
