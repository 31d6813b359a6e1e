"""The seat before the camera: one visitor at a time, each with a ticket."""

from __future__ import annotations

from typing import Any

from demo.seat import LONGEST, MOST_SECONDS, SILENCE, Guest, Seat, Ticket


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sit(seat: Seat, name: str, key: tuple[Any, ...] = ()) -> Guest | float:
    return seat.sit(Ticket(name, key, object))  # type: ignore[arg-type]


def take_a_seat(clock: Clock) -> Seat:
    return Seat(lambda guest: (lambda item: item,), clock)


def test_the_second_visitor_is_told_how_long() -> None:
    clock = Clock()
    seat = take_a_seat(clock)
    assert isinstance(sit(seat, "a"), Guest) and sit(seat, "b") == MOST_SECONDS
    clock.now = 2.0
    assert sit(seat, "b") == MOST_SECONDS - 2.0
    seat.leave("b")
    assert isinstance(sit(seat, "b"), float), "only who sits there can leave"
    seat.leave("a")
    assert isinstance(sit(seat, "b"), Guest)


def test_a_silent_visitor_loses_the_seat_and_one_who_stays_too_long() -> None:
    clock = Clock()
    seat = take_a_seat(clock)
    sit(seat, "a")
    clock.now = SILENCE + 1
    assert isinstance(sit(seat, "b"), Guest) and seat.guest("a") is None
    while clock.now < MOST_SECONDS + 2 * SILENCE:
        clock.now += SILENCE / 2
        sit(seat, "b")
    assert isinstance(sit(seat, "a"), Guest)


def test_another_portrait_begins_anew_and_ends_what_was() -> None:
    seat = take_a_seat(Clock())
    first = sit(seat, "a", ("one",))
    assert isinstance(first, Guest) and first.line.put(1).result(10) == 1
    assert sit(seat, "a", ("one",)) is first and sit(seat, "a", ("two",)) is not first
    assert first.line.put(1).result(10) is None, "its threads have ended"


def test_tickets_belong_to_a_session_and_end_with_it() -> None:
    seat = take_a_seat(Clock())
    number, other = (seat.issue(Ticket(name, (1,), object)) for name in "ab")  # type: ignore[arg-type]
    assert number != other and len(number) > 20
    assert seat.issue(Ticket("a", (2,), object)) == number  # type: ignore[arg-type]
    ticket = seat.ticket(number)
    assert ticket is not None and ticket.key == (2,), "the camera need not be started anew"
    sit(seat, "a")
    seat.leave("a")
    assert seat.ticket(number) is None and seat.guest("a") is None and seat.has_ticket("b")


def test_a_camera_that_was_forgotten_is_stopped() -> None:
    clock = Clock()
    seat = take_a_seat(clock)
    number = seat.issue(Ticket("a", (), object))  # type: ignore[arg-type]
    sit(seat, "a")
    clock.now = LONGEST
    assert seat.ticket(number) is not None
    clock.now += 1.0
    assert seat.ticket(number) is None and seat.guest("a") is None
