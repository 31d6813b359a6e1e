"""Who works when, without a clock or a page."""

from __future__ import annotations

import threading

import pytest

from demo.avatars import Avatars
from demo.buffer import Buffer
from demo.line import BusyError, Line, Place, StoppedError


class Somebody:
    """A visitor."""


@pytest.fixture
def line():
    return Line(places=1, each=1, total=2)


class Job:
    """A job in a thread that holds its place until it is told to end."""

    def __init__(self, line, visitor, done):
        self.stop, self.places, self.error = threading.Event(), [], None
        self._end, self.waits, self.runs = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(line, visitor, done), daemon=True)
        self._thread.start()

    def _work(self, line, visitor, done):
        def told(place):
            self.places.append(place)
            self.waits.set()

        try:
            with line.place(visitor, self.stop, told):
                self.runs.set()
                self._end.wait(30)
                done.append(visitor)
        except (StoppedError, BusyError) as error:
            self.error = error
            self.waits.set()

    def end(self):
        self._end.set()
        self._thread.join(30)


def test_one_runs_one_waits_and_a_third_is_refused_at_once(line):
    one, two, done = Somebody(), Somebody(), []
    first = Job(line, one, done)
    assert first.runs.wait(30)
    second = Job(line, one, done)
    assert second.waits.wait(30) and second.places[0] == Place(1, None)
    with pytest.raises(BusyError, match="waits for you already"), line.place(one):
        pass
    other = Job(line, two, done)
    assert other.waits.wait(30) and other.error is None, "another visitor has a place of his own"
    with pytest.raises(BusyError, match="queue is full: 2 jobs"), line.place(Somebody()):
        pass
    first.end()
    assert other.runs.wait(30) and not second.runs.is_set(), "who was not served yet comes first"
    other.end()
    assert second.runs.wait(30)
    second.end()
    assert done == [one, two, one]


def test_a_stop_ends_the_waiting_at_once_and_frees_the_place(line):
    one, done = Somebody(), []
    first = Job(line, one, done)
    assert first.runs.wait(30)
    second = Job(line, one, done)
    assert second.waits.wait(30)
    second.stop.set()
    second.end()
    assert isinstance(second.error, StoppedError) and done == []
    third = Job(line, one, done)
    assert third.waits.wait(30) and third.error is None
    first.end()
    third.end()
    assert done == [one, one]


def test_the_time_of_waiting_is_told_from_what_earlier_jobs_took():
    now = [0.0]
    line = Line(clock=lambda: now[0])
    with line.place(Somebody()):
        now[0] = 20.0
    first = Job(line, Somebody(), [])
    assert first.runs.wait(30)
    now[0] = 25.0
    second = Job(line, Somebody(), [])
    assert second.waits.wait(30) and second.places[0] == Place(1, 15.0)
    assert second.places[0].describe() == "Waiting: 1 job is ahead of yours, about 15 s"
    first.end()
    second.end()


def test_avatars_have_one_cap_over_all_owners():
    avatars, made = Avatars(each=2, total=3), []

    def get(owner, key):
        return avatars.get(owner, key, lambda: made.append((owner, key)) or key)

    for owner, key in (("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), (None, "e"), ("a", "z")):
        assert get(owner, key) == key
    assert avatars.keys("a") == ["z"] and avatars.keys("b") == ["x"] and avatars.keys(None) == ["e"]
    assert len(made) == 5, "what is kept is not made again"
    avatars.forget("a")
    assert len(avatars) == 2


def test_two_who_ask_for_one_avatar_at_once_make_it_once():
    avatars, made, ready = Avatars(), [], threading.Event()

    def make():
        ready.wait(30)
        made.append(1)
        return "avatar"

    threads = [threading.Thread(target=avatars.get, args=("a", "x", make)) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join(30)
    assert made == [1]


@pytest.mark.parametrize("rate", [8.0, 15.0, 24.0, 60.0])
@pytest.mark.parametrize("frames", [40, 250])
def test_a_player_that_has_begun_never_runs_dry(rate, frames):
    fps, played_from, given, buffer = 25.0, None, 0, Buffer(frames, 25.0)
    for made in range(1, frames + 1):
        pieces = [made] if made % 25 == 0 else []
        for piece in buffer.push(iter(pieces), made, rate):
            given = piece
        if buffer.open and played_from is None:
            played_from = made / rate
        if played_from is not None and made < frames:
            assert (made / rate - played_from) * fps <= given, "playback overtakes"
    assert played_from is None or given >= frames - 25
