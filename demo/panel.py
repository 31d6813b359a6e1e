"""Where a video appears: state, player while it is made, finished video, report and downloads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import gradio as gr
from gradio.data_classes import FileDataDict, MediaStreamChunk

from demo.film import Order, Piece, Step, make
from demo.report import busy, done, empty, failed, public, quality_card, waiting
from demo.studio import Studio
from mggtalk.errors import MGGTalkError

logger = logging.getLogger(__name__)

HEAVY = "pipeline"
"""One video at a time, whichever button it came from."""

HEIGHT = 420
"""Of results, pixels."""

Updates = dict[Any, Any]
"""Components and their new values; others stay as they are."""


async def hand_out(
    self: gr.Video, value: Piece | None, output_id: str, first_chunk: bool
) -> tuple[MediaStreamChunk | None, FileDataDict]:
    """Give a piece to the player as it is: ours are ready to be joined, and need no ffmpeg on the server's path."""
    stream: FileDataDict = {
        "path": output_id,
        "is_stream": True,
        "orig_name": "live.mp4",
        "meta": {"_type": "gradio.FileData"},
    }
    return (None if value is None else {"data": value.data, "duration": value.seconds, "extension": ".ts"}), stream


class Panel:
    """The results of one tab.

    Args:
        studio: Does the work.
        tab: Its name.
        hint: What to do first, shown while there is nothing.
        action: What the start button says.
        viewer: Whether there is a viewer for splats.
    """

    def __init__(self, studio: Studio, tab: str, hint: str, action: str, viewer: bool = False) -> None:
        self._studio, self._tab, self._hint = studio, tab, hint
        with gr.Row():
            self.start = gr.Button(action, variant="primary", scale=3, elem_id=f"{tab}-start")
            self.stop = gr.Button("Stop", scale=1, min_width=80, interactive=False, elem_id=f"{tab}-stop")
        self.state = gr.HTML(empty(hint), elem_id=f"{tab}-state")
        self.live = gr.Video(
            label="Live (AI-made)",
            streaming=True,
            autoplay=True,
            interactive=False,
            visible=False,
            buttons=[],
            height=HEIGHT,
            elem_id=f"{tab}-live",
        )
        self.live.stream_output = MethodType(hand_out, self.live)  # type: ignore[method-assign]
        with gr.Row():
            self.video = gr.Video(
                label="Result (AI-made)", interactive=False, autoplay=True, height=HEIGHT, elem_id=f"{tab}-video"
            )
            self.model = gr.Model3D(
                label="3D: drag to turn", height=HEIGHT, interactive=False, visible=viewer, elem_id=f"{tab}-model"
            )
        self.report = gr.HTML(visible=False, elem_id=f"{tab}-report")
        self.files = gr.File(
            label="Downloads: video, motion, splats", file_count="multiple", interactive=False, visible=False
        )

    def wire(self, order: Callable[..., Order], inputs: list[Any], gallery: list[Any]) -> None:
        """Connect the buttons.

        Args:
            order: Makes an order of the inputs' values.
            inputs: Components.
            gallery: Where the visitor's results are shown: a gallery and files.
        """
        outputs = [self.start, self.stop, self.state, self.live, self.video, self.model, self.report, self.files]
        outputs += gallery
        studio, tab = self._studio, self._tab

        def announce(request: gr.Request) -> Updates:
            studio.visitors.announce(request, tab)
            return {
                self.start: gr.Button(interactive=False),
                self.stop: gr.Button(interactive=True),
                self.state: waiting(),
            }

        def run(request: gr.Request, *values: Any) -> Iterator[Updates]:
            yield from self._run(lambda: order(*values), request, gallery)

        def refused() -> Updates:
            return {**self._idle(), self.state: failed("The queue is full. Please try again in a minute.")}

        private = {"api_visibility": "private", "show_progress": "hidden"}
        asked = self.start.click(announce, None, outputs, queue=False, **private)
        job = asked.then(run, inputs, outputs, concurrency_id=HEAVY, concurrency_limit=1, **private)
        job.failure(refused, None, outputs, queue=False, **private)
        self.stop.click(_stopper(studio, tab), None, None, queue=False, **private)

    def _run(self, order: Callable[[], Order], request: gr.Request, gallery: list[Any]) -> Iterator[Updates]:
        """The updates of one job."""
        yield {self.state: busy("Getting ready", 0.0), self.live: gr.Video(value=None, visible=False)}
        try:
            visitor = self._studio.visitors.of(request)
            playing = False
            for step in make(self._studio.engine, self._studio.visitors, visitor, order()):
                if step.piece is not None and not playing:
                    playing = True
                    yield {self.live: gr.Video(visible=True), self.video: gr.Video(visible=False)}
                yield self._updates(step, gallery, visitor.results)
        except MGGTalkError as error:
            yield {**self._idle(), self.state: failed(public(error))}
        except Exception:
            logger.exception("a job of the page failed")
            yield {**self._idle(), self.state: failed("Something went wrong on the server; it was written to its log.")}

    def _updates(self, step: Step, gallery: list[Any], results: list[Any]) -> Updates:
        """What one step changes on the page."""
        if step.piece is not None:
            return {self.live: step.piece}
        if step.film is None:
            return {self.state: busy(step.line, step.part)}
        film = step.film
        updates = {
            **self._idle(),
            self.state: done(film),
            self.video: gr.Video(value=film.result.video, visible=True),
            self.report: gr.HTML(quality_card(film), visible=True),
            self.files: gr.File(list(film.result.files), visible=True),
            gallery[0]: [(result.video, result.title) for result in reversed(results)],
            gallery[1]: list(dict.fromkeys(path for result in reversed(results) for path in result.files)),
        }
        if film.viewer is not None:
            updates[self.model] = film.viewer
        return updates

    def _idle(self) -> Updates:
        """The buttons and the player when no job runs."""
        return {
            self.start: gr.Button(interactive=True),
            self.stop: gr.Button(interactive=False),
            self.live: gr.Video(value=None, visible=False),
            self.video: gr.Video(visible=True),
        }


def _stopper(studio: Studio, tab: str) -> Callable[[gr.Request], None]:
    """A handler that stops a visitor's job of one tab."""

    def stop(request: gr.Request) -> None:
        studio.visitors.stop(request, tab)

    return stop
