"""The living head: the portrait as a page of its own, shown here and offered as one HTML file."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from demo.answers import LOST, apologise
from demo.events import AT_ONCE, PRIVATE
from demo.files import keep
from demo.film import Portrait, check_portrait_order
from demo.help import explained
from demo.limits import MOTION_MEGABYTES
from demo.portrait import Column, named
from demo.report import busy, empty, failed
from demo.studio import Studio
from mggtalk.errors import OptionError
from mggtalk.export.sound import encode_sound
from mggtalk.export.web_head import make_web_head
from mggtalk.export.web_page import make_page
from mggtalk.media import check_readable
from mggtalk.motion.retarget import retarget
from mggtalk.performance import Performance, from_motion_file, from_speech

HEIGHT = 620
"""Of the player, pixels."""

SAMPLES = 120
"""Expressions that are looked at: fewer than the command line takes, as somebody waits."""

CONSENT = "Whoever made this ticked: the people whose picture, voice or movements are used agreed."


def living_head(studio: Studio, column: Column, consent: gr.Checkbox, speech: gr.Audio, motion: gr.File) -> None:
    """Lay out the living head and connect it.

    Args:
        studio: Does the work.
        column: Who it is.
        consent: Whether those concerned agreed.
        speech: What it says, or nothing.
        motion: How it moves, or nothing.
    """
    explained(
        "A living head moves while you turn it.",
        "A living head",
        "It plays here, and as one HTML file that opens in any browser, offline. It says or plays what you gave under "
        "“Let it move meanwhile”; without any of that it looks about.",
    )
    with gr.Row():
        start = gr.Button("Make the living head", variant="secondary", elem_id="living-start")
        file = gr.DownloadButton("Download the HTML file", visible=False, elem_id="living-file")
    state = gr.HTML("", elem_id="living-state")
    shown = gr.HTML("", elem_id="living-head")

    def make(
        agreed: bool,
        portrait: str | None,
        face: int | None,
        depth: str,
        spoken: str | None,
        moved: str | None,
        request: gr.Request,
    ) -> Any:
        yield busy("Fitting the blendshapes: about half a minute", 0.2), gr.skip(), gr.skip()
        try:
            check_portrait_order(who := named(portrait, face, depth))
            if not agreed:
                raise OptionError("The consent is not ticked.", "Tick it above.")
            kept, text = make_living(studio, who, spoken, moved, request)
        except Exception as error:  # noqa: BLE001  it is logged, and told
            yield apologise(error), gr.skip(), gr.skip()
            return
        frame = (
            f'<iframe srcdoc="{html.escape(text)}" title="The living head, AI-made" '
            f'style="width:100%;height:{HEIGHT}px;border:0;border-radius:8px" sandbox="allow-scripts"></iframe>'
        )
        size = f"{len(text) / 1e6:.1f} MB: drag to turn it, arrow keys too; sliders below it."
        yield empty(size), frame, gr.DownloadButton(value=kept, visible=True)

    inputs = [consent, *column.who, speech, motion]
    job = start.click(make, inputs, [state, shown, file], **PRIVATE)
    job.failure(lambda: failed(LOST), None, state, **AT_ONCE)


def make_living(
    studio: Studio, portrait: Portrait, spoken: str | None, moved: str | None, request: gr.Request
) -> tuple[str, str]:
    """Make the HTML file of a living head.

    Args:
        studio: Does the work.
        portrait: Who it is.
        spoken: A recording, or None.
        moved: A motion file, or None.
        request: Of the visitor.

    Returns:
        Its path, the visitor's own, and its text.

    Raises:
        MGGTalkError: If there is no usable portrait, or the driver is none.
    """
    if spoken is not None and moved is not None:
        raise OptionError("There are 2 drivers.", "Give speech or a motion file.")
    if moved is not None:
        check_readable(moved, "motion file", MOTION_MEGABYTES)
    pipe, visitor = studio.engine.pipe, studio.visitors.of(request)
    studio.visitors.own(visitor, spoken, moved)
    with studio.turn(visitor):
        avatar = studio.avatar(portrait, request)
        performance: Performance | None = None
        if spoken is not None:
            performance = from_speech(pipe, spoken, voice=avatar.voice)
        elif moved is not None:
            performance = from_motion_file(pipe, moved)
        motion = None if performance is None else retarget(performance.motion, avatar, "relative", pipe.face_model)
        sound = None if performance is None or spoken is None else encode_sound(spoken, performance.motion.seconds)
        head = make_web_head(pipe, avatar.with_(consent=avatar.consent or CONSENT), motion, sound, SAMPLES)
    text = make_page(head)
    with tempfile.TemporaryDirectory(prefix="mggtalk-") as folder:
        path = Path(folder) / "mggtalk_head.html"
        path.write_text(text, encoding="utf-8")
        kept = keep(path)
    studio.visitors.own(visitor, kept)
    return kept, text
