"""Visitors of the page: avatars, results, files and running jobs. One visitor never sees another's."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import gradio as gr

from demo.avatars import Avatars
from demo.files import delete, is_in_cache, old_files
from mggtalk.avatar.avatar import Avatar

KEPT_RESULTS = 12
"""Results kept for one visitor; the oldest is deleted."""

ORPHAN_SECONDS = 600.0
"""Files that were uploaded, but belong to nobody, are deleted after so long."""


class Result(NamedTuple):
    """Files of one finished video."""

    title: str
    video: str
    others: tuple[str, ...]  # motion file, splats

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (self.video, *self.others)


Points = tuple[tuple[float, float], ...]
"""Clicks on a face, in pixels of its portrait."""


@dataclass(eq=False)
class Visitor:
    """One open page. Use it through :class:`Visitors`, which locks it."""

    adapters: dict[str, str] = field(default_factory=dict)  # key of a portrait -> the uploaded adapter that it is of
    photos: dict[str, tuple[str, ...]] = field(default_factory=dict)  # key of a portrait -> more of the same person
    points: dict[str, Points] = field(default_factory=dict)  # key of a portrait -> where its face was clicked
    results: list[Result] = field(default_factory=list)
    files: dict[str, float] = field(default_factory=dict)  # and when they were last claimed, system clock
    stops: dict[str, set[threading.Event]] = field(default_factory=dict)  # of the jobs of each tab
    seen: float = 0.0
    gone: bool = False


class Visitors:
    """All open pages. Threads may share it.

    Args:
        age: Seconds after which what belongs to a silent visitor is deleted.
        clock: Seconds, monotonic.
    """

    def __init__(self, age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.avatars = Avatars()
        self._age = age
        self._clock = clock
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._visitors)

    def of(self, request: gr.Request) -> Visitor:
        """The visitor of a request."""
        name = str(request.session_hash)
        with self._lock:
            visitor = self._visitors.setdefault(name, Visitor())
            visitor.seen = self._clock()
            return visitor

    def leave(self, request: gr.Request) -> None:
        """Stop a visitor's jobs and delete the files."""
        with self._lock:
            self._forget(str(request.session_hash))

    def sweep(self, orphans: float = ORPHAN_SECONDS) -> None:
        """Forget those who were not heard of for long, and delete old files that belong to nobody.

        Args:
            orphans: Age in seconds from which a file counts as old.
        """
        with self._lock:
            now = self._clock()
            for name, visitor in list(self._visitors.items()):
                if now - visitor.seen > self._age and not visitor.stops:
                    self._forget(name)
            self._delete(dict.fromkeys(old_files(orphans), math.inf))

    def own(self, visitor: Visitor, *paths: str | None) -> None:
        """Note that files belong to a visitor, to be deleted when the last one who has them leaves.

        Files outside the page's cache are the project's own, such as the examples: they belong to nobody.
        """
        with self._lock:
            now = time.time()
            visitor.files |= {str(path): now for path in paths if path is not None and is_in_cache(path)}
            if visitor.gone:
                self._delete(visitor.files)

    def remember(self, visitor: Visitor, result: Result) -> None:
        """Keep a result."""
        with self._lock:
            visitor.results.append(result)
            self.own(visitor, *result.files)
            if len(visitor.results) > KEPT_RESULTS:
                dropped = set(visitor.results.pop(0).files)
                dropped -= {path for kept in visitor.results for path in kept.files}
                self._delete({path: visitor.files.pop(path, 0.0) for path in dropped})

    def avatar(self, visitor: Visitor | None, key: str, make: Callable[[], Avatar]) -> Avatar:
        """The avatar of a portrait, made only when the visitor has none of it; None: everybody's, of an example."""
        avatar = self.avatars.get(visitor, key, make)
        if visitor is not None and visitor.gone:
            self.avatars.forget(visitor)
        return avatar

    def adopt(self, visitor: Visitor, key: str | None, adapter: str = "") -> None:
        """Use an uploaded adapter for one portrait from now on, instead of any other; None: for none."""
        with self._lock:
            visitor.adapters = {} if key is None else {key: adapter}

    def add_photos(self, visitor: Visitor, key: str | None, photos: tuple[str, ...] = ()) -> None:
        """Use further photos with one portrait from now on, instead of any others; None: none."""
        with self._lock:
            visitor.photos = {} if key is None else {key: photos}

    def place(self, visitor: Visitor, key: str, points: Points) -> None:
        """Use clicked points for the face of one portrait from now on; none: look for it again."""
        with self._lock:
            visitor.points = {key: points} if points else {}

    @contextmanager
    def job(self, visitor: Visitor, tab: str) -> Iterator[threading.Event]:
        """A job of a tab; the event is set when it should stop, perhaps before it began."""
        stop = threading.Event()
        with self._lock:
            visitor.stops.setdefault(tab, set()).add(stop)
            if visitor.gone:
                stop.set()
        try:
            yield stop
        finally:
            with self._lock:
                visitor.seen = self._clock()
                visitor.stops[tab].discard(stop)
                if not visitor.stops[tab]:
                    del visitor.stops[tab]

    def stop(self, request: gr.Request, tab: str) -> None:
        """Ask a visitor's jobs of one tab to stop; nothing happens when there are none."""
        with self._lock:
            visitor = self._visitors.get(str(request.session_hash))
            for stop in visitor.stops.get(tab, ()) if visitor is not None else ():
                stop.set()

    def _forget(self, name: str) -> None:
        visitor = self._visitors.pop(name, None)
        if visitor is None:
            return
        visitor.gone = True
        for stops in visitor.stops.values():
            for stop in stops:
                stop.set()
        self.avatars.forget(visitor)
        visitor.results.clear()
        self._delete(visitor.files)

    def _delete(self, paths: dict[str, float]) -> None:
        """Delete files that no visitor who is there has; equal uploads share one file in Gradio's cache.

        Args:
            paths: And the time until which they may have been written.
        """
        for path in paths.keys() - {path for visitor in self._visitors.values() for path in visitor.files}:
            delete(path, paths[path])
