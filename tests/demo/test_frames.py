"""Frames of a camera that are sent to the page."""

from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo.frames import MOST_BYTES, MOST_SIDE, PATH, decode, frame_route, stages
from demo.seat import Seat, Ticket
from mggtalk.animate.live import CALIBRATION_FRAMES
from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.media.sound import load_sound
from mggtalk.pipeline import MGGTalkPipeline
from tests.demo.conftest import EXAMPLES


@pytest.fixture
def seat() -> Seat:
    return Seat(stages)


@pytest.fixture
def client(seat: Seat) -> TestClient:
    return TestClient(Starlette(routes=[frame_route(seat)]))


def as_jpeg(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG")
    return stream.getvalue()


def test_a_camera_moves_the_avatar_one_visitor_at_a_time(
    pipeline: MGGTalkPipeline, avatar: Avatar, seat: Seat, client: TestClient
) -> None:
    frame = as_jpeg(skimage.data.astronaut()[:320, 64:384])
    ticket, other = (
        {"x-live-ticket": seat.issue(Ticket(name, (), lambda: pipeline.live(avatar, 128)))} for name in "ab"
    )
    for count in range(1, CALIBRATION_FRAMES + 2):
        answer = client.post(PATH, content=frame, headers=ticket)
        assert answer.status_code == 200 and answer.headers["x-live-calibrated"] == str(
            int(count >= CALIBRATION_FRAMES)
        )
    assert Image.open(io.BytesIO(answer.content)).size == (128, 128)
    guest = seat.guest("a")
    assert guest is not None and guest.recorded[-1][1] == answer.content
    told = client.post(PATH, content=frame, headers=other)
    assert told.status_code == 409 and "Your turn comes in" in told.json()["words"]
    seat.leave("a")
    assert client.post(PATH, content=frame, headers=ticket).status_code == 403
    assert client.post(PATH, content=frame, headers=other).status_code == 200
    seat.leave("b")


def test_what_is_no_frame_is_refused_in_words(
    pipeline: MGGTalkPipeline, avatar: Avatar, seat: Seat, client: TestClient
) -> None:
    ticket = {"x-live-ticket": seat.issue(Ticket("a", (), lambda: pipeline.live(avatar, 128)))}
    assert client.post(PATH, content=b"", headers={"x-live-ticket": "guessed"}).status_code == 403
    assert client.post(PATH, content=b"").status_code == 403
    assert client.post(PATH, content=bytes(MOST_BYTES + 1), headers=ticket).status_code == 413
    picture = as_jpeg(np.zeros((64, 64, 3), np.uint8))
    large = as_jpeg(np.zeros((MOST_SIDE + 1, 32, 3), np.uint8))
    for data in (b"", b"not a picture", picture[:200], large):
        answer = client.post(PATH, content=data, headers=ticket)
        assert answer.status_code == 400 and answer.json()["words"].startswith("The camera's frame")
    assert client.post(PATH, content=picture, headers=ticket).status_code == 200, "without a face the portrait stays"
    seat.leave("a")


def test_a_portrait_that_cannot_be_used_is_told(seat: Seat, client: TestClient) -> None:
    def refuse() -> None:
        raise OptionError("There is no portrait.", "Upload one.")

    ticket = {"x-live-ticket": seat.issue(Ticket("a", (), refuse))}  # type: ignore[arg-type]
    answer = client.post(PATH, content=b"", headers=ticket)
    assert answer.status_code == 400 and answer.json() == {"words": "There is no portrait. Upload one."}


def test_a_microphone_moves_the_lips(pipeline: MGGTalkPipeline, avatar: Avatar, seat: Seat, client: TestClient) -> None:
    ticket = {"x-live-ticket": seat.issue(Ticket("a", (), lambda: pipeline.live_speech(avatar, 128)))}
    sound = load_sound(EXAMPLES / "hello.flac").samples[: 2 * 16000]
    pieces = [(32767 * sound[first : first + 3200]).astype("<i2").tobytes() for first in range(0, len(sound), 3200)]
    pictures = []
    for number, piece in enumerate(pieces):
        answer = client.post(PATH, content=piece, headers={**ticket, "x-live-first": str(3200 * number)})
        assert answer.status_code == 200
        pictures.append(decode(answer.content).astype(int))
    assert max(np.abs(picture - pictures[0]).mean() for picture in pictures) > 0.5
    for first, data in (("", b""), ("-1", b""), ("99999999999", b""), ("0", b"odd"), ("one", bytes(2))):
        told = client.post(PATH, content=data, headers={**ticket, "x-live-first": first})
        assert told.status_code == 400 and "sound" in told.json()["words"]
    seat.leave("a")
