"""The Live tab: the webcam's frames in, the avatar's out. One visitor at a time; frames are dropped, never queued."""

from __future__ import annotations

import base64
import io
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from demo.files import keep
from demo.film import CONSENT
from demo.portrait import Column, named
from demo.report import empty, failed, public
from demo.studio import Studio
from mggtalk.animate.live import LiveAvatar
from mggtalk.errors import MGGTalkError
from mggtalk.media import VideoWriter
from mggtalk.media.badge import draw_badge

SIZE = 256
"""Side of the avatar's picture, pixels."""

EVERY = 0.05
"""Seconds between frames that the browser sends."""

MOST_SECONDS = 180.0
"""How long one visitor may stay while others wait."""

SILENCE = 4.0
"""Seconds without a frame after which the seat is free."""

MOST_RECORDED = 900
"""Frames of a recording."""


class Guest(NamedTuple):
    """The visitor who is live."""

    name: str  # of the session
    key: tuple[Any, ...]  # portrait and mirror
    live: LiveAvatar
    since: float
    recorded: list[tuple[float, bytes]]  # moment and JPEG


class Seat:
    """One place before the camera. Threads may share it.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._guest: Guest | None = None
        self._seen = 0.0

    def wait(self, name: str) -> float:
        """Seconds until a session may sit down; 0 if it may now, or sits already."""
        with self._lock:
            now = self._clock()
            guest = self._guest
            if guest is None or guest.name == name or now - self._seen > SILENCE:
                return 0.0
            return max(guest.since + MOST_SECONDS - now, 1.0)

    def sit(self, name: str, key: tuple[Any, ...], make: Callable[[], LiveAvatar]) -> Guest | None:
        """The guest of a session, made anew for another portrait; None while somebody else sits there."""
        with self._lock:
            now, guest = self._clock(), self._guest
            taken = guest is not None and guest.name != name and now - self._seen <= SILENCE
            if taken and guest is not None and now - guest.since < MOST_SECONDS:
                return None
            if guest is None or guest.name != name or guest.key != key:
                self._guest = guest = Guest(name, key, make(), now, [])
            self._seen = self._clock()
            return guest

    def leave(self, name: str) -> Guest | None:
        """Free the seat if a session has it; who sat there."""
        with self._lock:
            guest = self._guest
            if guest is None or guest.name != name:
                return None
            self._guest = None
            return guest

    def leave_page(self, request: gr.Request) -> None:
        """Free the seat of a visitor who closed the page."""
        self.leave(str(request.session_hash))

    def guest(self, name: str) -> Guest | None:
        """The guest of a session, if it sits."""
        with self._lock:
            return self._guest if self._guest is not None and self._guest.name == name else None


class Mirror:
    """The tab's answers to the frames of a camera.

    Args:
        studio: Does the work.
        seat: For one guest at a time.
    """

    def __init__(self, studio: Studio, seat: Seat) -> None:
        self._studio, self._seat = studio, seat

    def follow(
        self,
        frame: np.ndarray | None,
        mirrored: bool,
        agreed: bool,
        portrait: str | None,
        face: int | None,
        depth: str,
        request: gr.Request,
    ) -> tuple[Any, Any]:
        """The avatar in the pose of a frame, and what there is to say; only if the person agreed and has the seat."""
        if frame is None:
            return gr.skip(), gr.skip()
        name = str(request.session_hash)
        try:
            if not agreed:
                return gr.skip(), failed("The consent is not ticked. Tick it above the camera.")
            key = (portrait, face, depth, mirrored)
            if self._seat.guest(name) is None and (seconds := self._seat.wait(name)):
                return gr.skip(), empty(f"Somebody else is live. Your turn comes in {seconds:.0f} s or sooner.")
            who = named(portrait, face, depth)

            def start() -> LiveAvatar:
                return self._studio.engine.pipe.live(self._studio.avatar(who, request), SIZE, 1.0 / EVERY, mirrored)

            guest = self._seat.sit(name, key, start)
            if guest is None:
                return gr.skip(), empty("Somebody else is live. Please try again in a moment.")
            data = _encode(draw_badge(guest.live(frame).copy()))
        except MGGTalkError as error:
            return gr.skip(), failed(public(error))
        guest.recorded.append((time.monotonic(), data))
        del guest.recorded[:-MOST_RECORDED]
        said = "" if guest.live.calibrated else empty("Calibrating: look into the camera and relax your face.")
        return _as_picture(data), said

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

    def leave(self, request: gr.Request) -> tuple[str, str]:
        """Free the seat."""
        self._seat.leave(str(request.session_hash))
        return "", empty("The avatar appears here. Nothing is kept of your camera.")


def live_tab(studio: Studio, column: Column) -> Seat:
    """A webcam, and the avatar that follows it.

    Returns:
        The seat, to be freed when a page is closed.
    """
    seat = Seat()
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            gr.Markdown(
                "3 · Start the camera, look into it and relax your face for a second; then move.", elem_classes="step"
            )
            consent = gr.Checkbox(label=CONSENT, container=False, elem_id="live-consent", elem_classes="consent")
            camera = gr.Image(
                sources=["webcam"], streaming=True, type="numpy", label="Your camera", elem_id="live-camera"
            )
            with gr.Row():
                mirror = gr.Checkbox(value=True, label="Mirror", elem_id="live-mirror")
                again = gr.Button("Calibrate again", size="sm", elem_id="live-again")
                record = gr.Button("Keep the last seconds", size="sm", elem_id="live-record")
        with gr.Column(scale=6, min_width=300):
            state = gr.HTML(empty("The avatar appears here. Nothing is kept of your camera."), elem_id="live-state")
            picture = gr.HTML("", elem_id="live-picture")
            film = gr.Video(label="Recording (AI-made)", interactive=False, visible=False, elem_id="live-film")

    acts = Mirror(studio, seat)
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs = [camera, mirror, consent, *column.who]
    camera.stream(
        acts.follow,
        inputs,
        [picture, state],
        stream_every=EVERY,
        time_limit=int(MOST_SECONDS),
        concurrency_limit=2,
        **hidden,
    )
    again.click(acts.calibrate, None, None, **hidden)
    record.click(acts.keep_film, None, [film, state], api_visibility="private")
    camera.clear(acts.leave, None, [picture, state], **hidden)
    return seat


def _encode(picture: np.ndarray) -> bytes:
    """A picture as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _as_picture(data: bytes) -> str:
    """A JPEG in the page itself: no file is written for it."""
    source = base64.b64encode(data).decode()
    return f'<img src="data:image/jpeg;base64,{source}" width="512" height="512" alt="The avatar, AI-made">'


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
