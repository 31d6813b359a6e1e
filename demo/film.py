"""One video, from the visitor's order to files, with frames that are shown while they are made."""

from __future__ import annotations

import contextvars
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from demo.buffer import Buffer
from demo.engine import Engine
from demo.examples import is_example
from demo.files import keep, picture_key
from demo.limits import given
from demo.line import Line, StoppedError
from demo.memory import give_back
from demo.progress import Pace
from demo.sessions import Result, Visitor, Visitors
from demo.viewer import save_for_viewer
from demo.whole import Sitting, sit
from mggtalk.avatar.avatar import Avatar
from mggtalk.depth.catalogue import NAMES, status
from mggtalk.errors import OptionError, SeveralFacesError
from mggtalk.evaluation.quality import Quality, measure
from mggtalk.media.backdrop import NONE
from mggtalk.media.badge import check_statement
from mggtalk.media.live import LivePreview
from mggtalk.media.marks import lay_over, mark_frame
from mggtalk.media.writers import open_writer
from mggtalk.motion.motion_file import save_motion
from mggtalk.motion.retarget import PoseMode
from mggtalk.motion.style import Style
from mggtalk.performance import Performance
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress
from mggtalk.scene import Motion

CONSENT = "The people whose picture, voice or movements I use agreed to this video."
"""Sentence to be ticked before a video is made."""


Told = TypeVar("Told")
"""What a job tells while it works."""


@dataclass(frozen=True)
class Portrait:
    """Facts about the portrait that every job knows."""

    path: str | None
    face: int | None = None  # from left to right
    depth: str = "mesh"


@dataclass(frozen=True)
class Order:
    """Order of a visitor."""

    tab: str  # jobs of one tab replace each other
    portrait: Portrait
    size: int
    consent: bool
    statement: str | None  # None: with the visible badge
    check: Callable[[], None]  # looks at the uploads before any work
    perform: Callable[[MGGTalkPipeline, Avatar, Progress], Performance]
    drivers: tuple[str | None, ...] = ()  # files that move it
    pose: PoseMode = "relative"
    style: Style = Style()
    yaws: tuple[float, ...] = ()  # seen from these sides, side by side
    fov: float | None = None  # field of view in degrees; None: the portrait's
    whole: bool = False  # the head moves in the whole picture
    background: str | None = None  # "none" or "#rrggbb"; None: the portrait's
    viewer: bool = False  # splats for the viewer on the page as well

    @property
    def files(self) -> tuple[str, ...]:
        """All files that were given."""
        return tuple(path for path in (self.portrait.path, *self.drivers) if path is not None)

    @property
    def needs_consent(self) -> bool:
        """Whether anybody is in it who could consent: the people of the examples do not exist."""
        return not all(map(is_example, self.files))


@dataclass(frozen=True)
class Piece:
    """A part of the video for the player, while the rest is made. No tuple: Gradio makes lists of those."""

    data: bytes  # MPEG transport stream
    seconds: float


class Film(NamedTuple):
    """Result of a job."""

    result: Result
    viewer: str | None  # splats for the viewer on the page
    facts: str
    quality: Quality
    notes: tuple[str, ...]
    stopped: bool


class Step(NamedTuple):
    """Message of a job: how far it is, a piece of the video, or the end."""

    line: str = ""
    part: float = 0.0
    piece: Piece | None = None
    film: Film | None = None


def make(engine: Engine, visitors: Visitors, line: Line, visitor: Visitor, order: Order) -> Iterator[Step]:
    """Carry out an order.

    Closing the generator ends the job. A stop keeps what is rendered.

    Args:
        engine: Does the work.
        visitors: Keep avatar and result.
        line: Where the job waits for its turn.
        visitor: Who ordered.
        order: What.

    Yields:
        Steps; the last has the film.

    Raises:
        MGGTalkError: If the order cannot be carried out, or was stopped before the first frame.
    """
    with visitors.job(visitor, order.tab) as stop:

        def work(emit: Callable[[Step], None]) -> None:
            visitors.own(visitor, *order.files)
            check_order(order)
            with line.place(visitor, stop, lambda place: emit(Step(place.describe()))):
                emit(Step("Getting ready"))
                engine.ready()
                film = _film(engine, visitors, visitor, order, stop, emit)
            give_back()
            visitors.remember(visitor, film.result)
            visitors.own(visitor, film.viewer)
            emit(Step(film=film))

        yield from pump(work, stop)


def pump(work: Callable[[Callable[[Told], None]], None], stop: threading.Event) -> Iterator[Told]:
    """Run a job in a thread and yield what it tells, so that callbacks deep inside can speak."""
    told: queue.SimpleQueue[Told | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work(told.put)
        except BaseException as error:  # noqa: BLE001  it is raised again where the progress is read
            told.put(error)
        finally:
            told.put(None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="job", daemon=True)
    thread.start()
    try:
        while (step := told.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            yield step
    finally:
        stop.set()
        thread.join()


def check_portrait_order(portrait: Portrait) -> str:
    """The path of the portrait, if the order can be carried out.

    Raises:
        OptionError: If there is no portrait, or the depth estimator is not one of the list.
    """
    # Neither a folder of the server's nor a download is the visitor's to choose.
    if portrait.depth not in NAMES or not status(portrait.depth).ready:
        raise OptionError(f"There is no depth estimator {portrait.depth!r} here.", "Choose one from the list.")
    return given(portrait.path, "portrait", "Upload a picture of one person.")


def find_avatar(engine: Engine, visitors: Visitors, visitor: Visitor, portrait: Portrait, pace: Progress) -> Avatar:
    """The visitor's avatar of a portrait."""
    path = check_portrait_order(portrait)
    picture = picture_key(path)
    adapter = visitor.adapters.get(picture)
    if adapter is not None:
        return visitors.avatar(visitor, f"{picture} {picture_key(adapter)}", lambda: engine.adapted(adapter, pace))
    points = visitor.points.get(picture)
    if points is not None:
        return visitors.avatar(visitor, f"{picture} {points}", lambda: engine.placed(path, points, pace))
    more = visitor.photos.get(picture, ())
    key = " ".join([picture, str(portrait.face), portrait.depth, *map(picture_key, more)])
    owner = None if is_example(path) and not more else visitor
    with _counting_from_one(portrait.face):
        return visitors.avatar(owner, key, lambda: engine.prepare([path, *more], portrait.face, portrait.depth, pace))


@contextmanager
def _counting_from_one(face: int | None) -> Iterator[None]:
    """Errors about a face with its number as people count, from 1; the pipeline counts from 0."""
    advice = "Choose one by its number, counted from the left: 1 for the leftmost."
    try:
        yield
    except SeveralFacesError as error:
        raise SeveralFacesError(f"{error.problem.split(' (')[0].rstrip('.')}.", advice) from error
    except OptionError as error:
        if face is None or not error.problem.startswith(f"Face {face} was asked for"):
            raise
        raise OptionError(error.problem.replace(f"Face {face} ", f"Face {face + 1} ", 1), advice) from error


def _film(
    engine: Engine,
    visitors: Visitors,
    visitor: Visitor,
    order: Order,
    stop: threading.Event,
    emit: Callable[[Step], None],
) -> Film:
    """From the order to files."""

    def show(part: float, line: str) -> None:
        if stop.is_set():
            raise StoppedError
        emit(Step(line, part))

    pace = Pace(show)
    sitting = _sit(engine, order.portrait, pace) if order.whole else None
    avatar = sitting.avatar if sitting else find_avatar(engine, visitors, visitor, order.portrait, pace)
    performance = order.perform(engine.pipe, avatar, pace)
    sound = performance.sound
    motion = engine.pipe.animate(avatar, performance.motion, order.size, order.pose, sound, style=order.style).motion
    with tempfile.TemporaryDirectory(prefix="mggtalk-") as name:
        folder = Path(name)
        video = folder / f"mggtalk_{order.tab}.{'webm' if order.background == NONE else 'mp4'}"
        if sitting:
            whole = sitting.play(engine, performance, order.style)
            shape, pictures = (whole.width, whole.height), iter(whole)
        else:
            shape = _width(order), order.size
            pictures = engine.frames(avatar, motion, order.size, order.yaws, order.fov, order.background)
        frames, rate = _render(pictures, shape, motion, sound, order, video, stop, emit)
        emit(Step("Writing the files", 1.0))
        made = _first(motion, frames)
        save_motion(_first(performance.motion, frames), folder / "motion.npz")
        splats = engine.splat(avatar)
        splats.save_ply(str(folder / "head.ply"))
        if order.viewer:
            save_for_viewer(splats, folder / "view.ply")
        seen = made  # from fixed sides the path of the camera does not count
        if order.yaws:
            seen = made.with_(
                rotation=avatar.rotation.expand(frames, 3, 3), translation=avatar.translation.expand(frames, 3)
            )
        quality = measure(seen, avatar, engine.pipe.face_model, sound)
        result = Result(_title(order, made), keep(video), (keep(folder / "motion.npz"), keep(folder / "head.ply")))
        viewer = keep(folder / "view.ply") if order.viewer else None
    facts = f"{made.seconds:.1f} s, {frames} frames of {shape[0]}×{shape[1]}"
    facts += f", rendered at {rate:.1f} frames/s" if rate else ""
    return Film(result, viewer, facts, quality, (*avatar.notes, *performance.motion.notes), frames < len(motion))


def _sit(engine: Engine, portrait: Portrait, pace: Progress) -> Sitting:
    """The whole picture of an order, and the person who moves in it."""
    path = check_portrait_order(portrait)
    with _counting_from_one(portrait.face):
        return sit(engine, path, portrait.face, portrait.depth, pace)


def check_order(order: Order) -> None:
    """Look at the order before any work, and at the consent when all else is there.

    Raises:
        MGGTalkError: If something is missing or wrong.
    """
    check_portrait_order(order.portrait)
    for path in order.drivers:
        if path is not None:
            given(path, "file that moves the portrait", "")
    order.check()
    check_statement(order.statement)
    if order.needs_consent and not order.consent:
        raise OptionError("The consent is not ticked.", f"Tick it if it is true: “{CONSENT}”")


def _render(
    frames: Iterator[np.ndarray],
    shape: tuple[int, int],
    motion: Motion,
    sound: str | Path | None,
    order: Order,
    path: Path,
    stop: threading.Event,
    emit: Callable[[Step], None],
) -> tuple[int, float | None]:
    """Write the video, ``shape`` (width, height), and tell its pieces; the number of frames, and frames a second."""
    pace = Pace(lambda part, line: emit(Step(line, part)))  # a stop ends the loop, it does not raise here
    statement, pieces = check_statement(order.statement), path.parent / "live"
    pieces.mkdir()
    count, even = 0, (shape[0] // 2 * 2, shape[1] // 2 * 2)
    buffer: Buffer[Piece] = Buffer(len(motion), motion.fps)
    with (
        open_writer(path, *shape, motion.fps, sound, statement, order.background == NONE) as writer,
        LivePreview(pieces, *even, motion.fps, len(motion), sound) as live,
    ):
        for frame in frames:
            if stop.is_set() and not count:
                raise StoppedError
            if stop.is_set():
                break
            writer.write(frame)
            shown = mark_frame(lay_over(frame), badge=statement is None)
            live.write(np.ascontiguousarray(shown[: even[1], : even[0]]))
            count += 1
            pace("render", count, len(motion))
            _tell(live, buffer, count, pace.frames_per_second, emit)
        live.finish()
        _tell(live, buffer, count, pace.frames_per_second, emit)
    return count, pace.frames_per_second


def _tell(
    live: LivePreview, buffer: Buffer[Piece], made: int, rate: float | None, emit: Callable[[Step], None]
) -> None:
    """Hand out the pieces that are new, once enough of them are there."""
    pieces = (Piece(data, seconds) for data, seconds in live.take())
    for piece in buffer.push(pieces, made, rate):
        emit(Step(piece=piece))


def _width(order: Order) -> int:
    return order.size * max(1, len(order.yaws))


def _title(order: Order, motion: Motion) -> str:
    return f"{order.tab.replace('_', ' ').capitalize()}, {motion.seconds:.1f} s"


def _first(motion: Motion, frames: int) -> Motion:
    """The first frames of a motion, without the driver's landmarks, which would be a likeness of the driver."""
    found = None if motion.found is None else motion.found[:frames]
    return motion.with_(
        expression=motion.expression[:frames],
        rotation=motion.rotation[:frames],
        translation=motion.translation[:frames],
        found=found,
        torso=None if motion.torso is None else motion.torso[:frames],
        landmarks=None,
        frame_size=None,
    )
