"""The Live tab: webcam or microphone in, the avatar out. One visitor at a time; frames are dropped, never queued."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from demo.files import keep
from demo.film import CONSENT
from demo.frames import stages
from demo.memory import give_back
from demo.portrait import Column, named
from demo.report import empty, failed
from demo.seat import Seat, Ticket
from demo.studio import Studio
from mggtalk.animate.live import LiveAvatar
from mggtalk.animate.live_speaker import LiveSpeaker
from mggtalk.media import VideoWriter

SIZE = 256
"""Side of the avatar's picture, pixels."""

FPS = 25.0
"""Of the camera, roughly."""

CAMERA, MICROPHONE = "camera", "microphone"
"""What may move the avatar."""

AT_REST = empty("The avatar appears here. Nothing is kept of your camera or microphone.")

STAGE = f"""
<div class="live">
<canvas class="live-avatar" width="{SIZE}" height="{SIZE}" role="img" aria-label="The avatar, AI-made"></canvas>
<figure hidden><canvas class="live-self" role="img" aria-label="Your camera"></canvas></figure>
<p class="live-words note" role="status"></p>
</div>
"""

SCRIPT = Path(__file__).with_name("live.js").read_text(encoding="utf-8")


class Mirror:
    """What the tab's buttons do.

    Args:
        studio: Does the work.
        seat: For one guest at a time.
    """

    def __init__(self, studio: Studio, seat: Seat) -> None:
        self._studio, self._seat = studio, seat

    def begin(
        self,
        source: str,
        mirrored: bool,
        agreed: bool,
        portrait: str | None,
        face: int | None,
        depth: str,
        request: gr.Request,
    ) -> tuple[Any, str]:
        """A ticket for camera or microphone, and what there is to say; no ticket without consent and a portrait."""
        name, who = str(request.session_hash), named(portrait, face, depth)
        if not agreed:
            self._seat.leave(name)
            return None, failed("The consent is not ticked. Tick it above Start.")
        if portrait is None:
            self._seat.leave(name)
            return None, failed("There is no portrait. Choose one on the left.")

        def make() -> LiveAvatar | LiveSpeaker:
            pipe, avatar = self._studio.engine.pipe, self._studio.avatar(who, request)
            return pipe.live_speech(avatar, SIZE) if source == MICROPHONE else pipe.live(avatar, SIZE, FPS, mirrored)

        ticket = self._seat.issue(Ticket(name, (portrait, face, depth, source, mirrored), make))
        return {"ticket": ticket, "source": source}, ""

    def change(self, request: gr.Request, *values: Any) -> tuple[Any, Any]:
        """The same for what was changed while the camera runs; nothing while it does not."""
        if not self._seat.has_ticket(str(request.session_hash)):
            return gr.skip(), gr.skip()
        given: tuple[Any, ...] = (*values, request)
        return self.begin(*given)

    def calibrate(self, request: gr.Request) -> None:
        """Take the next frames for the relaxed face."""
        guest = self._seat.guest(str(request.session_hash))
        if guest is not None:
            guest.live.reset()

    def keep_film(self, request: gr.Request) -> tuple[Any, Any]:
        """A video of the last seconds."""
        guest = self._seat.guest(str(request.session_hash))
        if guest is None or len(guest.recorded) < 2:
            return gr.skip(), empty("There is nothing to keep yet.")
        kept = keep(_write(list(guest.recorded)))
        self._studio.visitors.own(self._studio.visitors.of(request), kept)
        return gr.Video(kept, visible=True), gr.skip()

    def leave(self, request: gr.Request) -> tuple[None, str]:
        """Free the seat."""
        self._seat.leave(str(request.session_hash))
        give_back()
        return None, AT_REST


def live_tab(studio: Studio, column: Column) -> Seat:
    """A webcam, and the avatar that follows it.

    Returns:
        The seat: its frames need a route, and it is to be freed when a page is closed.
    """
    seat = Seat(stages)
    with gr.Row():
        with gr.Column(scale=4, min_width=280):
            gr.Markdown(
                "### 2 · Be the head\nCamera: look into it and relax your face for a second; then move. "
                "Microphone: speak; the lips follow after half a second.",
                elem_classes="step",
            )
            source = gr.Radio(
                [("Camera", CAMERA), ("Microphone", MICROPHONE)],
                value=CAMERA,
                label="What moves the head",
                elem_id="live-source",
            )
            consent = gr.Checkbox(label=CONSENT, container=False, elem_id="live-consent", elem_classes="consent")
            mirror = gr.Checkbox(value=True, label="Mirror", elem_id="live-mirror")
            with gr.Row():
                start = gr.Button("Start", variant="primary", elem_id="live-start")
                stop = gr.Button("Stop", elem_id="live-stop")
            with gr.Row():
                again = gr.Button("Calibrate again", size="sm", elem_id="live-again")
                record = gr.Button("Keep the last seconds", size="sm", elem_id="live-record")
        with gr.Column(scale=6, min_width=300):
            state = gr.HTML(AT_REST, elem_id="live-state")
            gr.HTML(STAGE, js_on_load=SCRIPT, elem_id="live-picture")
            film = gr.Video(label="Recording (AI-made)", interactive=False, visible=False, elem_id="live-film")
    ticket = gr.JSON(visible=False)

    acts = Mirror(studio, seat)
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs = [source, mirror, consent, *column.who]
    begun = start.click(acts.begin, inputs, [ticket, state], **hidden)
    begun.then(None, ticket, None, js="(given) => window.mggtalkLive.start(given?.ticket, given?.source)", **hidden)
    gr.on([part.change for part in inputs], acts.change, inputs, [ticket, state], **hidden)
    stop.click(acts.leave, None, [ticket, state], js="() => window.mggtalkLive.stop()", **hidden)
    again.click(acts.calibrate, None, None, **hidden)
    record.click(acts.keep_film, None, [film, state], api_visibility="private")
    return seat


def _write(recorded: list[tuple[float, bytes]]) -> Path:
    """A video of pictures at their moments; its path."""
    fps = 25.0
    first = recorded[0][0]
    path = Path(tempfile.mkdtemp(prefix="mggtalk-")) / "mggtalk_live.mp4"
    with VideoWriter(path, SIZE, SIZE, fps) as writer:
        index = 0
        for frame in range(int((recorded[-1][0] - first) * fps) + 1):
            while index + 1 < len(recorded) and recorded[index + 1][0] - first <= frame / fps:
                index += 1
            with Image.open(io.BytesIO(recorded[index][1])) as picture:
                writer.write(np.asarray(picture.convert("RGB")))
    return path
