"""What a visitor's camera sees or microphone hears: each piece is a request, and the avatar's picture its answer.

Not a Gradio event: those pass through a queue and a stream of messages, which cost more than the picture does.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.report import public
from demo.seat import Guest, Seat
from mggtalk.animate.live_speaker import LiveSpeaker
from mggtalk.errors import MediaError, MGGTalkError
from mggtalk.media.badge import draw_badge
from mggtalk.speech.features import RATE
from mggtalk.speech.live import KEPT_SECONDS

PATH = "/live/frame.jpg"
"""Where frames are sent, below the page's address."""

MOST_BYTES = 400_000
"""Largest frame."""

MOST_SIDE = 720
"""Longest side of a frame, pixels."""

QUALITY = 85
"""Of the avatar's pictures as JPEG."""


MOST_SAMPLES = round(KEPT_SECONDS * RATE)
"""Most samples of sound in a request."""


def stages(guest: Guest) -> tuple[Callable[[Any], Any], ...]:
    """Follow a frame or the speech, draw the avatar: what is done for a guest, one after the other."""
    live = guest.live

    def draw(motion: Any) -> bytes:
        picture = _encode(draw_badge(live.draw(motion)))
        guest.record(time.monotonic(), picture)
        return picture

    if isinstance(live, LiveSpeaker):
        return lambda _: live.follow(), draw
    return lambda data: live.follow(decode(data)), draw


def frame_route(seat: Seat) -> Route:
    """The route of the frames; answers with a JPEG, with nothing for a frame that was dropped, or with words."""

    async def answer(request: Request) -> Response:
        arrived = time.perf_counter()
        ticket = seat.ticket(request.headers.get("x-live-ticket", ""))
        if ticket is None:
            return _say(403, "This has been stopped. Start it again.")
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > MOST_BYTES:
                return _say(413, f"What was sent is larger than {MOST_BYTES} bytes.")
        try:
            guest = await run_in_threadpool(seat.sit, ticket)
            if isinstance(guest, float):
                return _say(409, f"Somebody else is live. Your turn comes in {guest:.0f} s or sooner.")
            if isinstance(guest.live, LiveSpeaker):  # at once: a request may be dropped, what was said may not
                guest.live.hear(*sound_of(bytes(data), request.headers.get("x-live-first", "")))
            picture: bytes | None = await asyncio.wrap_future(guest.line.put(bytes(data)))
        except MGGTalkError as error:
            return _say(400, public(error))
        if picture is None:
            return Response(status_code=204)
        headers = {
            "cache-control": "no-store",
            "x-live-ms": f"{1000 * (time.perf_counter() - arrived):.0f}",
            "x-live-calibrated": str(int(guest.live.calibrated)),
        }
        return Response(picture, media_type="image/jpeg", headers=headers)

    return Route(PATH, answer, methods=["POST"])


def decode(data: bytes) -> np.ndarray:
    """A camera's JPEG as uint8 ``[H, W, 3]``; its size is looked at before it is decoded.

    Raises:
        MediaError: If it is none, or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if max(picture.size) > MOST_SIDE:
                size = "x".join(map(str, picture.size))
                raise MediaError(f"The camera's frame has {size} pixels.", f"Send at most {MOST_SIDE} a side.")
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, MGGTalkError):
            raise
        raise MediaError("The camera's frame is no JPEG that can be read.", "Send a JPEG.") from error


def sound_of(data: bytes, first: str) -> tuple[np.ndarray, int]:
    """A microphone's samples, float32 ``[n]``, and the number of the first of them.

    Args:
        data: 16 bits each, little endian.
        first: The number in digits.

    Raises:
        MediaError: If it is no such sound.
    """
    if not (first.isascii() and first.isdigit() and len(first) < 12) or len(data) % 2 or len(data) > 2 * MOST_SAMPLES:
        problem = f"The microphone's sound has {len(data)} bytes, the first is number {first[:12]!r}."
        raise MediaError(problem, f"Send up to {MOST_SAMPLES} samples of 16 bits, and the number in digits.")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0, int(first)


def _say(status: int, words: str) -> JSONResponse:
    return JSONResponse({"words": words}, status)


def _encode(picture: np.ndarray) -> bytes:
    """A picture as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
