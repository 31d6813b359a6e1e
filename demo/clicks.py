"""A face that is not found, placed by hand: the visitor clicks seven to nine points of it in the portrait."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from demo.limits import LIMITS
from demo.portrait import PRIVATE, Column
from demo.report import empty, failed, public
from demo.sessions import Points
from demo.studio import Studio
from mggtalk.errors import MGGTalkError
from mggtalk.face.points import LEAST, POINTS
from mggtalk.media import load_image

SIDE = 640
"""Longest side of the picture that is clicked, pixels."""


def next_click(points: Points) -> str:
    """Say which point comes next."""
    if len(points) == len(POINTS):
        return "All points are set: make the video."
    done = "The face is placed; two more points make it surer. " if len(points) >= LEAST else ""
    return f"{done}Point {len(points) + 1}: click the **{POINTS[len(points)][0]}** (left and right as you see them)."


def mark(picture: np.ndarray, points: Points) -> np.ndarray:
    """A small copy of the portrait ``[H, W, 3]`` with its points."""
    image = Image.fromarray(picture)
    scale = min(1.0, SIDE / max(image.size))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    draw = ImageDraw.Draw(image)
    for x, y in points:
        draw.ellipse((x * scale - 4, y * scale - 4, x * scale + 4, y * scale + 4), fill=(99, 102, 241), outline="white")
    return np.asarray(image)


def click_column(studio: Studio, column: Column) -> None:
    """Lay out the clicks below the portrait and connect them.

    Args:
        studio: Remembers whose points they are.
        column: Has the portrait.
    """
    with gr.Accordion("No face found? Click it", open=False):
        gr.Markdown("For paintings, statues and drawings: seven points are enough.", elem_classes="note")
        begin = gr.Button("Click a face in the portrait", size="sm", elem_id="clicks-start")
        shown = gr.Image(show_label=False, interactive=False, visible=False, buttons=[], elem_id="clicks")
        state = gr.HTML("", elem_id="clicks-state")
    clicked = gr.State(())

    def start(path: str | None, request: gr.Request) -> tuple[Any, ...]:
        try:
            studio.place(path, (), request)
            picture = mark(load_image(str(path), LIMITS), ())
        except MGGTalkError as error:
            return gr.skip(), failed(public(error)), ()
        return gr.Image(picture, visible=True), empty(next_click(())), ()

    def add(path: str | None, points: Points, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        try:
            picture = load_image(str(path), LIMITS)
            scale = max(1.0, max(picture.shape[:2]) / SIDE)
            points = (*points, (event.index[0] * scale, event.index[1] * scale))[: len(POINTS)]
            studio.place(path, points, request)
        except MGGTalkError as error:
            return gr.skip(), failed(public(error)), ()
        return mark(picture, points), empty(next_click(points)), points

    begin.click(start, column.portrait, [shown, state, clicked], **PRIVATE)
    shown.select(add, [column.portrait, clicked], [shown, state, clicked], **PRIVATE)
