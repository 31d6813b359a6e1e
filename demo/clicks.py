"""A face that is not found, placed by hand: the visitor clicks seven to nine points of it in the portrait."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from demo.answers import answered
from demo.events import STILL
from demo.limits import LIMITS
from demo.report import empty
from demo.sessions import Points
from demo.studio import Studio
from mggtalk.face.points import LEAST, POINTS
from mggtalk.media import load_image

SIDE = 640
"""Longest side of the picture that is clicked, pixels."""


class Clicks(NamedTuple):
    """Components of the part of the page where a face is clicked."""

    part: gr.Column
    begin: gr.Button
    back: gr.Button
    shown: gr.Image
    state: gr.HTML
    clicked: gr.State

    @property
    def outputs(self) -> list[Any]:
        """What a click changes."""
        return [self.shown, self.back, self.state, self.clicked]

    def reset(self, visible: bool) -> list[Any]:
        """Updates of :attr:`part` and :attr:`outputs` for another portrait."""
        return [gr.Column(visible=visible), *_nothing()]


def next_click(points: Points) -> str:
    """Say which point comes next."""
    if len(points) == len(POINTS):
        return "All points are set: make the video."
    name = POINTS[len(points)][0]
    done = "The face is placed; two more points make it surer. " if len(points) >= LEAST else ""
    the = "" if name.startswith("its ") else "the "
    return f"{done}Point {len(points) + 1}: click {the}<b>{name}</b> (left and right as you see them)."


def mark(picture: np.ndarray, points: Points) -> np.ndarray:
    """A small copy of the portrait ``[H, W, 3]`` with its points."""
    image = Image.fromarray(picture)
    scale = min(1.0, SIDE / max(image.size))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    draw = ImageDraw.Draw(image)
    for x, y in points:
        draw.ellipse((x * scale - 4, y * scale - 4, x * scale + 4, y * scale + 4), fill=(99, 102, 241), outline="white")
    return np.asarray(image)


def click_part() -> Clicks:
    """Lay out the clicks, hidden until no face is found in a portrait."""
    with gr.Column(visible=False, elem_id="clicks-part") as part:
        gr.Markdown("A painting, a statue, a drawing? Show where the face is: seven points are enough.")
        with gr.Row():
            begin = gr.Button("Click a face in the portrait", size="sm", min_width=120, elem_id="clicks-start")
            back = gr.Button("Undo", size="sm", min_width=60, visible=False, elem_id="clicks-back")
        state = gr.HTML("", elem_id="clicks-state")
        shown = gr.Image(
            label="Portrait to click", show_label=False, interactive=False, visible=False, buttons=[], elem_id="clicks"
        )
    return Clicks(part, begin, back, shown, state, gr.State(()))


def wire_clicks(studio: Studio, clicks: Clicks, portrait: gr.Image) -> list[Any]:
    """Connect the clicks.

    Args:
        studio: Remembers whose points they are.
        clicks: The components.
        portrait: The picture that is clicked.

    Returns:
        The events after which the face may be another.
    """

    def show(path: str | None, points: Points, request: gr.Request) -> list[Any]:
        studio.place(path, points, request)
        picture = mark(load_image(str(path), LIMITS), points)
        said = empty(next_click(points), live=True)
        return [gr.Image(picture, visible=True), gr.Button(visible=bool(points)), said, points]

    def sorry(message: str) -> list[Any]:
        hidden = _nothing()
        return [*hidden[:2], message, hidden[3]]

    @answered(sorry)
    def start(path: str | None, request: gr.Request) -> list[Any]:
        return show(path, (), request)

    @answered(sorry)
    def add(path: str | None, points: Points, request: gr.Request, event: gr.SelectData) -> list[Any]:
        if path is None:
            return show(None, (), request)
        scale = max(1.0, max(load_image(path, LIMITS).shape[:2]) / SIDE)
        return show(path, (*points, (event.index[0] * scale, event.index[1] * scale))[: len(POINTS)], request)

    @answered(sorry)
    def undo(path: str | None, points: Points, request: gr.Request) -> list[Any]:
        return show(path, points[:-1], request)

    inputs = [portrait, clicks.clicked]
    return [
        clicks.begin.click(start, portrait, clicks.outputs, **STILL),
        clicks.shown.select(add, inputs, clicks.outputs, show_progress="hidden", **STILL),
        clicks.back.click(undo, inputs, clicks.outputs, show_progress="hidden", **STILL),
    ]


def _nothing() -> list[Any]:
    """Updates that hide picture and words."""
    return [gr.Image(None, visible=False), gr.Button(visible=False), "", ()]
