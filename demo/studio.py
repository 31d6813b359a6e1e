"""Things that all parts of the page share: the engine, the visitors, and the quick looks at a portrait."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demo.engine import Engine
from demo.files import keep, picture_key
from demo.film import Order, Portrait, Step, find_avatar, make
from demo.limits import KEEP_SECONDS, QUEUE, QUICK_ALL, QUICK_EACH, given
from demo.line import Line, Place
from demo.memory import give_back
from demo.sessions import Points, Visitor, Visitors
from mggtalk.avatar.avatar import Avatar
from mggtalk.evaluation.explain import Counts, facing
from mggtalk.face.points import LEAST
from mggtalk.media import load_image, save_image
from mggtalk.media.several import check_count
from mggtalk.media.verify import Verification, verify
from mggtalk.motion.edit import Edit, edit_frame
from mggtalk.person.load import open_adapter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.album import Album
from mggtalk.portrait.check import PortraitCheck, check_portrait
from mggtalk.runtime.progress import no_progress
from mggtalk.scene import MotionFrame

PREVIEW = Edit(yaw=14.0, smile=0.25)
"""Views of the preview: enough of a turn to judge the head by."""

SIDES = (-30.0, 0.0, 30.0)
"""Yaws of the paper's side-by-side figures, degrees."""

LOOK = 256
"""Side of a view, pixels."""

BOX = (99, 102, 241)
"""Colour of the frames around faces."""


SWEEP_SECONDS = 60.0
"""How often the page looks for visitors who went silent and for files that belong to nobody."""


class Framed(NamedTuple):
    """A small copy of a portrait with frames around its faces."""

    picture: str  # path, the visitor's own
    boxes: tuple[tuple[float, ...], ...]  # x0, y0, x1, y1 in its pixels


class Studio:
    """The engine and the visitors.

    Args:
        pipe: The pipeline.
    """

    def __init__(self, pipe: MGGTalkPipeline) -> None:
        self.engine = Engine(pipe)
        self.visitors = Visitors(KEEP_SECONDS)
        self._videos = Line(places=1, each=1, total=QUEUE)
        self._quick = Line(places=1, each=QUICK_EACH, total=QUICK_ALL)  # a still must not wait for somebody's video
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def _sweep(self) -> None:
        while not threading.Event().wait(SWEEP_SECONDS):
            self.visitors.sweep()
            give_back()

    def make(self, order: Order, request: gr.Request) -> Iterator[Step]:
        """See :func:`demo.film.make`."""
        return make(self.engine, self.visitors, self._videos, self.visitors.of(request), order)

    @contextmanager
    def turn(
        self,
        visitor: Visitor,
        stop: threading.Event | None = None,
        on_wait: Callable[[Place], object] | None = None,
    ) -> Iterator[None]:
        """Wait in the line of videos for work that takes long, see :meth:`demo.line.Line.place`."""
        with self._videos.place(visitor, stop, on_wait):
            self.engine.ready()
            yield

    def leave(self, request: gr.Request) -> None:
        """Forget a visitor who closed the page."""
        self.visitors.leave(request)
        give_back()

    def avatar(self, portrait: Portrait, request: gr.Request) -> Avatar:
        """The visitor's avatar of a portrait, which is the visitor's from now on: an API has no check before."""
        self.engine.ready()
        visitor: Visitor = self.visitors.of(request)
        self.visitors.own(visitor, portrait.path)
        return find_avatar(self.engine, self.visitors, visitor, portrait, no_progress)

    def check(self, path: str | None, request: gr.Request, face: int | None = None) -> tuple[PortraitCheck, Framed]:
        """Look at a portrait.

        Args:
            path: The picture.
            request: Of the visitor.
            face: Which face, from left to right, when there are several.

        Returns:
            What was found, and the picture with numbered frames around its faces.

        Raises:
            MGGTalkError: If it is no picture, or too large.
        """
        pipe, visitor = self.engine.pipe, self.visitors.of(request)
        portrait = given(path, "portrait", "Upload a picture of one person.")
        self.visitors.own(visitor, portrait)
        with self._quick.place(visitor):
            image = load_image(portrait, pipe.config.media)
            check = check_portrait(image, pipe.tracker, pipe.face_model, pipe.config.render.focal_ratio, face)
            picture, boxes = _framed(image, check)
        return check, Framed(self._saved(picture, request, made=False), boxes)

    def adopt(self, adapter: str | None, request: gr.Request) -> str | None:
        """Take an adapter that a visitor uploads, or let the last one go.

        Args:
            adapter: The file; None if it was taken away.
            request: Of the visitor.

        Returns:
            Path of the portrait in it, in the page's cache and the visitor's own.

        Raises:
            MediaError: If the file is no adapter that fits, or too large.
        """
        visitor = self.visitors.of(request)
        self.visitors.adopt(visitor, None)
        if adapter is None:
            return None
        self.visitors.own(visitor, adapter)
        with self._quick.place(visitor):
            picture = open_adapter(self.engine.pipe, adapter).portrait
        with tempfile.TemporaryDirectory(prefix="mggtalk-") as folder:
            path = Path(folder) / "portrait.png"
            Image.fromarray(picture).save(path)
            kept = keep(path)
        self.visitors.own(visitor, kept)
        self.visitors.adopt(visitor, picture_key(kept), adapter)
        return kept

    def gather(self, portrait: str | None, more: list[str], request: gr.Request) -> Album | None:
        """Take further photos of the person in a portrait, or let the last ones go.

        Args:
            portrait: The main photo.
            more: The others; none lets them go.
            request: Of the visitor.

        Returns:
            What each photo adds; None without any.

        Raises:
            MGGTalkError: If one cannot be used, or no two show the same person.
        """
        visitor = self.visitors.of(request)
        self.visitors.add_photos(visitor, None)
        self.visitors.own(visitor, *more)
        if not more:
            return None
        first = given(portrait, "portrait", "Upload the main photo first.")
        check_count(1 + len(more))
        with self._quick.place(visitor):
            album = self.engine.pipe.gather([first, *more])
        self.visitors.add_photos(visitor, picture_key(first), tuple(more))
        return album

    def place(self, path: str | None, points: Points, request: gr.Request) -> None:
        """Use clicked points for the face of a portrait; fewer than are needed are of no use yet.

        Args:
            path: The portrait.
            points: In its pixels, in the order of :data:`mggtalk.face.points.POINTS`.
            request: Of the visitor.

        Raises:
            OptionError: If there is no portrait.
        """
        portrait = given(path, "portrait", "Upload a picture first.")
        used = points if len(points) >= LEAST else ()
        self.visitors.place(self.visitors.of(request), picture_key(portrait), used)

    def verify(self, path: str, request: gr.Request) -> Verification:
        """Look for what says that a file is AI-made.

        Args:
            path: What a visitor uploaded.
            request: Of the visitor.

        Returns:
            The mark in its metadata and the watermark in its pictures.

        Raises:
            MediaError: If the file cannot be read, or is too large.
        """
        visitor = self.visitors.of(request)
        self.visitors.own(visitor, path)
        with self._quick.place(visitor):
            return verify(path, self.engine.pipe.config.media)

    def still(self, portrait: Portrait, edit: Edit, size: int, request: gr.Request) -> str:
        """One still of ``size`` pixels, marked as AI-made; its path."""
        edit.check()
        with self._quick.place(self.visitors.of(request)):
            avatar = self.avatar(portrait, request)
            frame = edit_frame(avatar, edit, self.engine.pipe.face_model)
            picture = self.engine.still(avatar, (frame,), size)
        return self._saved(picture, request)

    def sides(self, portrait: Portrait, size: int, request: gr.Request) -> str:
        """The portrait at -30°, 0° and 30°, each of ``size`` pixels, marked as AI-made; the path."""
        with self._quick.place(self.visitors.of(request)):
            return self.look(self.avatar(portrait, request), request, size)

    def look(self, avatar: Avatar, request: gr.Request, size: int = LOOK) -> str:
        """An avatar at -30°, 0° and 30°, see :meth:`sides`, for a visitor whose turn it is."""
        frames: tuple[MotionFrame, ...] = tuple(facing(avatar, avatar.source, yaw) for yaw in SIDES)
        return self._saved(self.engine.still(avatar, frames, size), request)

    def why(self, portrait: Portrait, request: gr.Request) -> tuple[Counts, list[str]]:
        """Why the portrait comes out as it does: numbers of Gaussians, and paths of four pictures."""
        with self._quick.place(self.visitors.of(request)):
            seen = self.engine.explain(self.avatar(portrait, request))
        pictures = (seen.depth, seen.normals, seen.mirrored, seen.origin)
        return seen.counts, [self._saved(picture, request, made=False) for picture in pictures]

    def _saved(self, picture: np.ndarray, request: gr.Request, made: bool = True) -> str:
        """A picture in the page's cache, the visitor's own; what is made is marked as AI-made."""
        with tempfile.TemporaryDirectory(prefix="mggtalk-") as folder:
            path = Path(folder) / "mggtalk.jpg"
            if made:
                save_image(path, picture)
            else:
                Image.fromarray(picture).save(path, quality=90)
            kept = keep(path)
        self.visitors.own(self.visitors.of(request), kept)
        return kept


def _framed(
    image: np.ndarray, check: PortraitCheck, side: int = 640
) -> tuple[np.ndarray, tuple[tuple[float, ...], ...]]:
    """A small copy with frames and numbers around the faces."""
    picture = Image.fromarray(image)
    scale = min(1.0, side / max(picture.size))
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    drawing = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=22)
    boxes = tuple(tuple(value * scale for value in box) for box in check.boxes)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        drawing.rectangle((x0, y0, x1, y1), outline=BOX, width=6 if number == check.chosen else 3)
        drawing.rectangle((x0, y0, x0 + 24, y0 + 28), fill=BOX)
        drawing.text((x0 + 6, y0 + 1), str(number + 1), fill="white", font=font)
    return np.asarray(picture), boxes
