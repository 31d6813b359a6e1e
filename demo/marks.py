"""Tells whether a file says that it is AI-made."""

from __future__ import annotations

import html

import gradio as gr

from demo.answers import answered
from demo.events import STILL
from demo.report import empty
from demo.studio import Studio
from mggtalk.media.verify import Verification

START = "Choose a video, a picture, a recording, or any other file that MGGTalk writes."


def mark_reader(studio: Studio) -> None:
    """Lay out the check, and wire it."""
    with gr.Accordion("Is a file AI-made?", open=False):
        gr.Markdown(
            "What MGGTalk makes says so in its metadata; its pictures also carry an invisible watermark.",
            elem_classes="note",
        )
        file = gr.File(label="File", type="filepath", height=130, elem_id="verify-file")
        state = gr.HTML(empty(START), elem_id="verify-state")

    @answered(str)
    def read(path: str | None, request: gr.Request) -> str:
        return empty(START) if path is None else findings(studio.verify(path, request))

    file.change(read, file, state, **STILL)


def findings(verification: Verification) -> str:
    """What was found, as HTML."""
    if not verification.found:
        return (
            '<div class="state done" role="status"><b>No mark of MGGTalk.</b> '
            "It was not made here, or it was changed too much. That is no proof that it is real.</div>"
        )
    ways = ["metadata: " + html.escape(verification.mark.rstrip("."))] if verification.mark else []
    if verification.watermark is not None and verification.watermark.found:
        ways.append("watermark in the picture")
    if verification.credentials is not None:
        broken = "" if verification.credentials.intact else ", which no longer fits the file"
        ways.append(f"statement signed by {html.escape(verification.credentials.signer)}{broken}")
    return (
        f'<div class="state done" role="status"><b>AI-made.</b> It says so by its {", and by its ".join(ways)}.</div>'
    )
