"""Panel of a video: state, player while it is made, finished video, report and downloads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from demo.answers import LOST, apologise
from demo.events import AT_ONCE, HEAVY, PRIVATE
from demo.film import CONSENT, Film, Order
from demo.report import busy, done, empty, failed, quality_card
from demo.sessions import Result, Visitor
from demo.studio import Studio
from demo.uploads import LivePlayer

HEIGHT = 420
"""Of results, pixels."""

SHOW = """() => {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const show = (part) => part.scrollIntoView({block: 'nearest', behavior: calm ? 'auto' : 'smooth'});
    const find = (part) => document.getElementById('TAB-' + part);
    show(find('state'));
    const watch = new MutationObserver(() => {
        const player = find('live') || find('video');
        if (player && player.offsetHeight > 100) { watch.disconnect(); show(player); }
    });
    watch.observe(find('state').parentElement, {childList: true, subtree: true, attributes: true});
}"""
"""Brings the state into sight, and the player as soon as it is there: on a phone they are further down."""

Updates = dict[Any, Any]
"""Components and their new values; others stay as they are."""


class Panel:
    """The results of one tab.

    Args:
        studio: Does the work.
        tab: Its name.
        hint: What will come, shown while there is nothing.
        action: What the start button says.
        viewer: Whether there is a viewer for splats.
    """

    def __init__(self, studio: Studio, tab: str, hint: str, action: str, viewer: bool = False) -> None:
        self._studio, self._tab, self._hint = studio, tab, hint
        self._latest: WeakKeyDictionary[Visitor, object] = WeakKeyDictionary()  # the job that a visitor started last
        self.consent = gr.Checkbox(label=CONSENT, container=False, elem_id=f"{tab}-consent", elem_classes="consent")
        with gr.Row(elem_classes="actions"):
            self.start = gr.Button(action, variant="primary", scale=3, elem_id=f"{tab}-start")
            self.stop = gr.Button("Stop", scale=1, min_width=80, interactive=False, elem_id=f"{tab}-stop")
        self.state = gr.HTML(empty(hint), elem_id=f"{tab}-state")
        self.live = LivePlayer(
            show_label=False,
            streaming=True,
            autoplay=True,
            interactive=False,
            visible=False,
            buttons=[],
            height=HEIGHT,
            elem_id=f"{tab}-live",
        )
        with gr.Row():
            self.video = gr.Video(
                show_label=False, interactive=False, autoplay=True, height=HEIGHT, visible=False, elem_id=f"{tab}-video"
            )
            self.model = gr.Model3D(
                show_label=False, height=HEIGHT, interactive=False, visible=False, elem_id=f"{tab}-model"
            )
        self._viewer = viewer
        self.report = gr.HTML(visible=False, elem_id=f"{tab}-report")
        self.files = gr.File(
            label="Downloads: the video, its movements, the head in 3D",
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id=f"{tab}-files",
        )

    @property
    def outputs(self) -> list[Any]:
        """Components that a job changes, without the gallery."""
        return [self.start, self.stop, self.state, self.live, self.video, self.model, self.report, self.files]

    def wire(self, order: Callable[..., Order], inputs: list[Any], gallery: list[Any]) -> None:
        """Connect the buttons.

        Args:
            order: Makes an order of the inputs' values.
            inputs: Components.
            gallery: Where the visitor's results are shown: a gallery and files.
        """
        self.follow(self.start.click, order, inputs, gallery)
        self.stop.click(stopper(self._studio, self._tab), None, None, **AT_ONCE)
        played = [self.live, self.video]
        self.live.end(self._swap, None, played, **AT_ONCE)

    def follow(
        self, event: Callable[..., Any], order: Callable[..., Order], inputs: list[Any], gallery: list[Any]
    ) -> None:
        """Make a video whenever an event happens, such as the click on a button or the end of another event."""
        outputs = [*self.outputs, *gallery]

        def run(request: gr.Request, *values: Any) -> Iterator[Updates]:
            yield from self._run(lambda: order(*values), request, gallery)

        def lost() -> Updates:
            return {**self._idle(), self.state: failed(LOST)}

        show = SHOW.replace("TAB", self._tab)
        job = event(run, inputs, outputs, concurrency_id=HEAVY, concurrency_limit=None, **PRIVATE)
        event(None, None, None, js=show, **PRIVATE)
        job.failure(lost, None, outputs, **AT_ONCE)

    def _run(self, order: Callable[[], Order], request: gr.Request, gallery: list[Any]) -> Iterator[Updates]:
        """The updates of one job; an earlier one of this tab is stopped, and says nothing more."""
        visitor, mine = self._studio.visitors.of(request), object()
        self._latest[visitor] = mine
        self._studio.visitors.stop(request, self._tab)
        yield {
            self.start: gr.Button(interactive=False),
            self.stop: gr.Button(interactive=True),
            self.state: busy("Getting ready", 0.0),
            self.live: LivePlayer(value=None, visible=False),
        }
        with closing(self._work(order, request, gallery)) as work:
            for updates in work:
                if self._latest.get(visitor) is mine:
                    yield updates

    def _work(
        self, order: Callable[[], Order], request: gr.Request, gallery: list[Any]
    ) -> Generator[Updates, None, None]:
        """What a job tells, as updates."""
        try:
            playing = False
            for step in self._studio.make(order(), request):
                if step.piece is not None:
                    if not playing:
                        playing = True
                        yield {self.live: LivePlayer(visible=True), self.video: gr.Video(visible=False)}
                    yield {self.live: step.piece}
                elif step.film is None:
                    yield {self.state: busy(step.line, step.part)}
                else:
                    yield self._end(step.film, playing, gallery, request)
        except Exception as error:  # noqa: BLE001  it is logged, and told
            yield {**self._idle(), self.state: apologise(error)}

    def _end(self, film: Film, playing: bool, gallery: list[Any], request: gr.Request) -> Updates:
        """Changes that the finished video makes; while it still plays, the player stays until its end."""
        goes_on = playing and not film.stopped
        results = self._studio.visitors.of(request).results
        updates = {
            **self._idle(),
            self.state: done(film),
            self.video: gr.Video(value=film.result.video, visible=not goes_on, autoplay=not goes_on),
            self.report: gr.HTML(quality_card(film), visible=True),
            self.files: gr.File(list(film.result.files), visible=True),
            **show_results(results, gallery),
        }
        if goes_on:
            del updates[self.live]
        if film.viewer is not None:
            updates[self.model] = gr.Model3D(film.viewer, visible=self._viewer)
        return updates

    def _idle(self) -> Updates:
        """The buttons and the player when no job runs."""
        return {
            self.start: gr.Button(interactive=True),
            self.stop: gr.Button(interactive=False),
            self.live: LivePlayer(value=None, visible=False),
        }

    def _swap(self) -> tuple[Any, Any]:
        """Show the file in place of the player, when that has come to its end."""
        return LivePlayer(value=None, visible=False), gr.Video(visible=True)


def show_results(results: list[Result], gallery: list[Any]) -> Updates:
    """Updates of the gallery and the list of files, the latest first."""
    return {
        gallery[0]: [(result.video, result.title) for result in reversed(results)],
        gallery[1]: list(dict.fromkeys(path for result in reversed(results) for path in result.files)),
    }


def stopper(studio: Studio, tab: str) -> Callable[[gr.Request], None]:
    """A handler that stops a visitor's jobs of one tab."""

    def stop(request: gr.Request) -> None:
        studio.visitors.stop(request, tab)

    return stop
