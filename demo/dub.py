"""The tab *Dub*: a film whose person says something else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.answers import LOST, apologise
from demo.events import AT_ONCE, HEAVY, PRIVATE
from demo.files import keep
from demo.film import CONSENT, Step, pump
from demo.help import heading
from demo.limits import LIMITS, given
from demo.line import StoppedError
from demo.panel import HEIGHT, Updates, show_results, stopper
from demo.progress import Pace
from demo.report import busy, dubbed, empty, failed
from demo.sessions import Result
from demo.studio import Studio
from demo.uploads import UploadedAudio, film_of_one_person
from mggtalk.config import CONSENT as AGREED
from mggtalk.dub.dub import dub
from mggtalk.errors import OptionError
from mggtalk.performance import check_driver

TAB = "dub"
"""Name of its jobs."""

HINT = "The film will appear here; it takes a few seconds for each second of it. First choose a film and a recording."

ABOUT = (
    "The head, the eyes and all else stay those of the film; the lower face of each frame is moved, and the mouth "
    "opened, as the sound asks.",
    "Frames with no face, or with one that is turned away or covered, stay as they are.",
    "The portrait of step 1 is not needed here.",
)


class Dubbed(NamedTuple):
    """The last message of a job."""

    result: Result
    facts: str
    notes: tuple[str, ...]


def dub_tab(studio: Studio, gallery: list[Any]) -> None:
    """Lay out the tab and connect it.

    Args:
        studio: Does the work.
        gallery: Where the visitor's results are shown: a gallery and files.
    """
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            heading("1 · Who says something else, and what?", "Other words for a film", *ABOUT)
            film = film_of_one_person("dub-film")
            speech = UploadedAudio(
                label="What is said instead", sources=["upload", "microphone"], type="filepath", editable=False,
                buttons=[], elem_id="dub-speech",
            )  # fmt: skip
        with gr.Column(scale=6, min_width=300):
            agreed = gr.Checkbox(label=CONSENT, container=False, elem_id="dub-consent", elem_classes="consent")
            with gr.Row(elem_classes="actions"):
                start = gr.Button("Dub", variant="primary", scale=3, elem_id="dub-start")
                stop = gr.Button("Stop", scale=1, min_width=80, interactive=False, elem_id="dub-stop")
            state = gr.HTML(empty(HINT), elem_id="dub-state")
            video = gr.Video(show_label=False, interactive=False, height=HEIGHT, visible=False, elem_id="dub-video")

    def ended() -> Updates:
        return {start: gr.Button(interactive=True), stop: gr.Button(interactive=False)}

    def make(shown: str | None, said: str | None, consent: bool, request: gr.Request) -> Iterator[Updates]:
        buttons = {start: gr.Button(interactive=False), stop: gr.Button(interactive=True)}
        yield {**buttons, state: busy("Getting ready", 0.0)}
        try:
            for step in steps(studio, shown, said, consent, request):
                if isinstance(step, Step):
                    yield {state: busy(step.line, step.part)}
                else:
                    path = gr.Video(step.result.video, visible=True)
                    results = show_results(studio.visitors.of(request).results, gallery)
                    yield {**ended(), state: dubbed(step.facts, step.notes), video: path, **results}
        except Exception as error:  # noqa: BLE001  it is logged, and told
            yield {**ended(), state: apologise(error)}

    outputs = [start, stop, state, video, *gallery]
    job = start.click(make, [film, speech, agreed], outputs, concurrency_id=HEAVY, concurrency_limit=None, **PRIVATE)
    job.failure(lambda: {**ended(), state: failed(LOST)}, None, outputs, **AT_ONCE)
    stop.click(stopper(studio, TAB), None, None, **AT_ONCE)


def steps(
    studio: Studio, film: str | None, speech: str | None, agreed: bool, request: gr.Request
) -> Iterator[Step | Dubbed]:
    """Dub a film.

    Args:
        studio: Does the work.
        film: A video of one person.
        speech: A recording.
        agreed: Whether the person agreed.
        request: Of the visitor.

    Yields:
        How far it is; at last the film, the visitor's own.

    Raises:
        MGGTalkError: If something is missing, cannot be read or shows no face, or the job was stopped.
    """
    visitor = studio.visitors.of(request)
    studio.visitors.own(visitor, film, speech)
    shown = given(film, "film", "Upload a video of one person.")
    said = given(speech, "recording", "Upload one, or record your voice.")
    check_driver(shown, said, config=LIMITS)
    if agreed is not True:
        raise OptionError("The consent is not ticked.", f"Tick it if it is true: “{CONSENT}”")
    with studio.visitors.job(visitor, TAB) as stop:

        def work(emit: Callable[[Step | Dubbed], None]) -> None:
            def show(part: float, line: str) -> None:
                if stop.is_set():
                    raise StoppedError("Stopped: of a film nothing is kept before its end.")
                emit(Step(line, part))

            with (
                studio.turn(visitor, stop, lambda place: emit(Step(place.describe()))),
                tempfile.TemporaryDirectory(prefix="mggtalk-") as folder,
            ):
                made = dub(studio.engine.pipe, shown, said, AGREED, on_progress=Pace(show))
                kept = keep(made.save(Path(folder) / "mggtalk_dub.mp4"))
            track = made.study.track
            seconds = len(made) / track.fps
            result = Result(f"Dub, {seconds:.1f} s", kept, ())
            studio.visitors.remember(visitor, result)
            facts = f"{seconds:.1f} s, {len(made)} frames of {track.width}×{track.height}"
            emit(Dubbed(result, facts, made.notes))

        yield from pump(work, stop)


def make_dub(studio: Studio, film: str | None, speech: str | None, agreed: bool, request: gr.Request) -> str:
    """Dub a film to its end, see :func:`steps`; the path of the video."""
    *_, last = steps(studio, film, speech, agreed, request)
    assert isinstance(last, Dubbed), "the last step has the film"
    return last.result.video
