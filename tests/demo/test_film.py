"""Jobs without a page: stop, files, visitors."""

from __future__ import annotations

import re
import sys
import threading
import types
from pathlib import Path

import gradio as gr
import pytest

from demo import film
from demo.engine import Engine
from demo.examples import collect
from demo.film import Step, pump
from demo.line import Line, StoppedError
from demo.orders import order, reenact_order
from demo.progress import Pace, describe
from demo.report import failed, portrait_card, public
from demo.sessions import Result, Visitors
from demo.zerogpu import on_gpu
from mggtalk.errors import MediaError, OptionError
from mggtalk.media import open_video, read_mark
from mggtalk.media.badge import STATEMENT
from mggtalk.portrait.check import Finding, PortraitCheck


@pytest.fixture(scope="module")
def engine(pipeline):
    return Engine(pipeline)


@pytest.fixture
def visitors():
    return Visitors(age=100.0)


def make(engine, visitors, visitor, order):
    """A job that need not wait."""
    return film.make(engine, visitors, Line(), visitor, order)


@pytest.fixture
def visitor(visitors):
    return visitors.of(gr.Request(session_hash="somebody"))


def wanted(files, motion="medium.npz", badge=True, statement="", consent=True, background=None):
    """An order of the tab *Reenact*."""
    common = (str(files / "portrait.png"), None, "mesh", consent, badge, statement, 256, background)
    return reenact_order(*common, None, str(files / motion), "relative", 1.0, 1.0, 0.0, 0)


def test_pieces_come_before_the_end_and_a_stop_keeps_what_is_done(engine, visitors, visitor, files, cache, monkeypatch):
    monkeypatch.setattr("demo.buffer.Buffer.needed", lambda self, rate: 30.0)  # however slow this machine is
    ended, pieces = None, 0
    for step in make(engine, visitors, visitor, wanted(files, "long.npz")):
        if step.piece is not None:
            pieces += 1
            assert step.piece.data[:1] == b"\x47", "an MPEG transport stream"
            visitors.stop(gr.Request(session_hash="somebody"), "reenact")
        ended = step.film or ended
    assert ended is not None and ended.stopped and pieces >= 1
    with open_video(ended.result.video) as reader:
        count = len(list(reader))
    assert 25 <= count < 125
    assert ended.quality.seconds == pytest.approx(count / 25)
    assert visitor.results == [ended.result] and not visitor.stops


def test_a_stop_before_the_first_frame_leaves_nothing(engine, visitors, visitor, files, cache):
    request = gr.Request(session_hash="somebody")
    before = set(cache.rglob("*"))
    line = Line()
    with line.place(visitors.of(gr.Request(session_hash="other"))):  # somebody else is served
        steps = film.make(engine, visitors, line, visitor, wanted(files))
        assert next(steps).line == "Waiting: 1 job is ahead of yours"
        visitors.stop(request, "reenact")
        with pytest.raises(StoppedError):
            list(steps)
    assert set(cache.rglob("*")) == before
    assert not visitor.stops


def test_leaving_ends_the_job_and_deletes_the_files(engine, visitors, visitor, files, cache):
    steps = make(engine, visitors, visitor, wanted(files, "long.npz"))
    next(step for step in steps if step.line.startswith("Rendering"))
    visitors.leave(gr.Request(session_hash="somebody"))
    ended = [step.film for step in steps][-1]
    assert ended is not None and ended.stopped
    assert not any(Path(path).exists() for path in ended.result.files), "a result that nobody will fetch"


def test_the_badge_goes_only_with_the_statement(engine, visitors, visitor, files, cache):
    with pytest.raises(OptionError, match="The badge stays"):
        list(make(engine, visitors, visitor, wanted(files, "short.npz", badge=False, statement="please")))
    made = {}
    for badge in (True, False):
        steps = make(engine, visitors, visitor, wanted(files, "short.npz", badge=badge, statement=STATEMENT))
        made[badge] = [step.film for step in steps][-1].result.video
    with open_video(made[True]) as marked, open_video(made[False]) as plain:
        difference = abs(next(iter(marked)).astype(int) - next(iter(plain)))
    assert difference[:40, 150:].max() > 60 and difference[60:].max() < 40
    assert all(read_mark(path) for path in made.values()), "the metadata say it in any case"


def test_a_transparent_video_is_a_webm_and_a_background_is_no_file_of_the_servers(engine, visitors, visitor, files):
    order = wanted(files, "short.npz", background="transparent")
    video = [step.film for step in make(engine, visitors, visitor, order)][-1].result.video
    assert video.endswith(".webm") and read_mark(video)
    with pytest.raises(OptionError, match="background is"):
        wanted(files, background=str(files / "portrait.png"))


def test_an_order_needs_consent_a_size_and_an_estimator_of_the_list(engine, visitors, visitor, files):
    with pytest.raises(OptionError, match="consent"):
        list(make(engine, visitors, visitor, wanted(files, consent=False)))
    with pytest.raises(OptionError, match="consent is 'false'"):
        wanted(files, consent="false")
    nothing = reenact_order(None, None, "mesh", False, True, "", 256, None, None, None, "relative", 1.0, 1.0, 0.0, 0)
    with pytest.raises(OptionError, match="no portrait"):  # the consent is asked for last
        list(make(engine, visitors, visitor, nothing))
    with pytest.raises(OptionError, match="size is 4096"):
        order("talk", None, None, "mesh", True, True, "", 4096, None)
    common = (str(files / "portrait.png"), None, "geowizard=/", True, True, "", 256, None)
    folder = reenact_order(*common, None, str(files / "short.npz"), "relative", 1, 1, 0, 0)
    with pytest.raises(OptionError, match="no depth estimator"):
        list(make(engine, visitors, visitor, folder))


def test_errors_in_the_thread_come_out_of_the_generator():
    def work(emit):
        emit(Step("first"))
        raise MediaError("Broken.", "Mend it.")

    steps = pump(work, threading.Event())
    assert next(steps).line == "first"
    with pytest.raises(MediaError, match="Mend it"):
        next(steps)


def test_closing_the_generator_stops_the_thread():
    stop, ended = threading.Event(), threading.Event()

    def work(emit):
        while not stop.wait(0.01):
            emit(Step("still here"))
        ended.set()

    steps = pump(work, stop)
    next(steps)
    steps.close()
    assert ended.is_set()


def test_nobody_has_to_consent_for_people_who_do_not_exist(files):
    examples = collect()
    common = (examples.portraits[0], None, "mesh", False, True, "", 256, None)
    rest = ("relative", 1.0, 1.0, 0.0, 0)
    assert not reenact_order(*common, None, examples.motions[0], *rest).needs_consent
    assert reenact_order(*common, None, str(files / "short.npz"), *rest).needs_consent, "a driver of the visitor's"
    mine = (str(files / "portrait.png"), *common[1:])
    assert reenact_order(*mine, None, examples.motions[0], *rest).needs_consent, "a portrait of the visitor's"


def test_no_depth_estimator_is_fetched_by_a_visitor(engine, visitors, visitor, files):
    common = (str(files / "portrait.png"), None, "geowizard", True, True, "", 256, None)
    fetched = reenact_order(*common, None, str(files / "short.npz"), "relative", 1, 1, 0, 0)
    with pytest.raises(OptionError, match="no depth estimator 'geowizard' here"):
        list(make(engine, visitors, visitor, fetched))


def test_an_example_outlives_every_visitor_who_used_it(visitors, cache):
    examples = collect()
    for name in ("first", "second"):
        request = gr.Request(session_hash=name)
        visitors.own(visitors.of(request), *examples.portraits, *examples.motions, *examples.speech)
        visitors.leave(request)
    assert all(Path(path).exists() for path in (*examples.portraits, *examples.motions, *examples.speech))


def test_files_that_belong_to_nobody_are_swept(visitors, visitor, cache):
    (cache / "a").mkdir(exist_ok=True)
    mine, nobodys = cache / "a" / "mine.png", cache / "a" / "nobodys.png"
    double = cache / "tmp1234"  # an upload whose equal was there already
    for path in (mine, nobodys, double):
        path.write_text("x")
    visitors.own(visitor, str(mine))
    visitors.sweep(orphans=3600.0)
    assert nobodys.exists() and double.exists(), "they may be on their way to their owner"
    visitors.sweep(orphans=-1.0)
    assert mine.exists() and not nobodys.exists() and not double.exists() and cache.is_dir()


def test_a_gpu_is_used_when_it_is_lent(engine, monkeypatch):
    moved = []
    monkeypatch.setattr("demo.engine.AVAILABLE", True)
    monkeypatch.setattr(type(engine.pipe), "to", lambda self, device: moved.append(device) or self)
    assert engine._borrowed() is engine.pipe and moved == ["cuda"]


def test_visitors_do_not_share_and_files_go_with_their_last_owner(cache):
    now, tmp_path = [0.0], cache / "shared"
    tmp_path.mkdir()
    visitors = Visitors(age=10.0, clock=lambda: now[0])
    one, two = (gr.Request(session_hash=name) for name in ("one", "two"))
    shared, own = tmp_path / "shared.mp4", tmp_path / "own.npz"
    for path in (shared, own):
        path.write_text("x")
    visitors.remember(visitors.of(one), Result("a", str(shared), (str(own),)))
    visitors.own(visitors.of(two), str(shared))
    assert visitors.of(two).results == []
    visitors.leave(one)
    assert shared.exists() and not own.exists()
    now[0] = 11.0
    visitors.sweep()
    assert not shared.exists(), "silent visitors are forgotten"


def test_an_equal_upload_outlives_the_visitor_who_leaves_before_it_is_used(cache):
    folder = cache / "equal"
    folder.mkdir()
    visitors, request = Visitors(age=10.0), gr.Request(session_hash="leaving")
    mine, again = folder / "mine.png", folder / "again.png"
    for path in (mine, again):
        path.write_text("x")
        visitors.own(visitors.of(request), str(path))
    claimed = again.stat().st_ctime_ns
    while again.stat().st_ctime_ns <= claimed + 20_000_000:  # a new upload of the same content; clocks are coarse
        again.write_text("x")
    visitors.leave(request)
    assert again.exists() and not mine.exists()


def test_pace_tells_stage_rate_and_time_left():
    now, lines = [0.0], []
    pace = Pace(lambda part, line: lines.append((part, line)), clock=lambda: now[0])
    for done in range(1, 101):
        pace("render", done, 100)
        now[0] += 0.04
    assert lines[-1][0] == 1.0
    assert pace.frames_per_second == pytest.approx(25.0)
    assert any(re.search(r"5\d of 100 frames, 25.0 frames/s, 2 s left", line) for _, line in lines)
    assert len(lines) < 40, "not every frame is worth a message"
    assert describe("depth", 0, 3, None) == "Estimating depth"


def test_cards_escape_what_visitors_wrote(cache):
    message = public(MediaError(f"The image '{cache}/abc/<b>x.png' is no picture.", "Use another."))
    assert "<b>" not in message and str(cache) not in message and "x.png" in message
    assert 'role="alert"' in failed(message)
    card = portrait_card(PortraitCheck((), None, (Finding("Face", "<i>", "poor", "Try & see"),)))
    assert "<i>" not in card and "Try &amp; see" in card


def test_a_gpu_is_borrowed_for_as_long_as_the_work_takes(monkeypatch):
    asked = []

    def gpu(duration):
        def wrap(function):
            def run(*arguments):
                asked.append(duration(*arguments))
                return function(*arguments)

            return run

        return wrap

    assert on_gpu(len, lambda _: 5) is len, "without the package nothing changes"
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=gpu))
    monkeypatch.setattr("demo.zerogpu.AVAILABLE", True)
    borrowed = on_gpu(lambda frames: sum(frames), lambda frames: len(frames))
    assert borrowed([1] * 40) == 40 and borrowed([1] * 4) == 4 and borrowed([1] * 4000) == 4000
    assert asked == [40, 10, 120], "within what ZeroGPU gives"


def test_the_engine_reads_within_the_limits_of_the_page(engine, pipeline):
    assert engine.pipe.config.media.max_video_seconds == 60.0
    assert pipeline.config.media.max_video_seconds > 60.0, "the shared pipeline is left as it is"
