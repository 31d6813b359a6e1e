"""The seat before the camera: one visitor at a time."""

from __future__ import annotations

from typing import Any

from demo.live import MOST_SECONDS, SILENCE, Seat


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sit(seat: Seat, name: str, key: tuple[Any, ...] = ()) -> Any:
    return seat.sit(name, key, object)  # type: ignore[arg-type]


def test_the_second_visitor_is_told_how_long() -> None:
    clock = Clock()
    seat = Seat(clock)
    assert sit(seat, "a") is not None and sit(seat, "b") is None
    clock.now = 2.0
    assert seat.wait("b") == MOST_SECONDS - 2.0 and seat.wait("a") == 0.0
    seat.leave("b")
    assert sit(seat, "b") is None, "only who sits there can leave"
    seat.leave("a")
    assert seat.wait("b") == 0.0 and sit(seat, "b") is not None


def test_a_silent_visitor_loses_the_seat_and_one_who_stays_too_long() -> None:
    clock = Clock()
    seat = Seat(clock)
    first = sit(seat, "a")
    clock.now = SILENCE + 1
    assert seat.wait("b") == 0.0 and sit(seat, "b") is not None and seat.guest("a") is None
    while clock.now < MOST_SECONDS + 2 * SILENCE:
        clock.now += SILENCE / 2
        sit(seat, "b")
    assert sit(seat, "a") is not None and first is not None


def test_another_portrait_begins_anew() -> None:
    seat = Seat(Clock())
    first = sit(seat, "a", ("one",))
    assert sit(seat, "a", ("one",)) is first and sit(seat, "a", ("two",)) is not first
