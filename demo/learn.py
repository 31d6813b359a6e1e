"""The tab *Learn*: the head of one person, learned from a film of that person."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.answers import LOST, answered, apologise
from demo.events import AT_ONCE, HEAVY, PRIVATE, STILL
from demo.files import keep
from demo.film import CONSENT, Step, pump
from demo.help import heading
from demo.limits import LIMITS, as_number, given
from demo.line import StoppedError
from demo.panel import HEIGHT, Updates, stopper
from demo.progress import Pace
from demo.report import busy, dubbed, empty, failed
from demo.studio import Studio
from demo.uploads import film_of_one_person
from mggtalk.config import CONSENT as AGREED
from mggtalk.errors import OptionError
from mggtalk.performance import check_driver
from mggtalk.person.adapt import METHODS, AdaptConfig, adapt, is_learning, write_head

TAB = "learn"
"""Name of its jobs."""

LEAST_MINUTES, MOST_MINUTES = 0.5, 10.0
"""Time to learn."""

HINT = "The head will be here. First choose a film of one person who looks at the camera, turns a little, and speaks."

NAMES = {
    "talking-gaussian": "TalkingGaussian: one set of Gaussians that motion moves",
    "blendshapes": "Blendshapes: this person's typical expressions",
}
"""Methods, as the page calls them."""

ABOUT = (
    "A few seconds to a minute of one person, filmed by a camera that stands still. What one photo cannot show is "
    "learned from it: teeth, wrinkles, light on a turned head, and how this person moves the lips.",
    "You can stop at any time and keep what was learned by then; the same film with the same method then goes on from "
    "there (TalkingGaussian).",
    "The head is one file of 10 MB or less. It has a frame of the film in it, so it is a picture of that person.",
)


class Head(NamedTuple):
    """The last message of a job."""

    file: str
    picture: str
    facts: str
    notes: tuple[str, ...]


def learn_tab(studio: Studio, portrait: gr.Image) -> None:
    """Lay out the tab and connect it.

    Args:
        studio: Does the work.
        portrait: Of step 1, for which the head can be used.
    """
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            heading("1 · Who, and how?", "A head learned from a film", *ABOUT)
            film = film_of_one_person("learn-film")
            choices = [(name, method) for method, name in NAMES.items()]
            method = gr.Radio(choices, value=AdaptConfig().method, label="Method", elem_id="learn-method")
            minutes = gr.Slider(
                LEAST_MINUTES, MOST_MINUTES, value=3.0, step=0.5, label="Minutes to learn", elem_id="learn-minutes"
            )
        with gr.Column(scale=6, min_width=300):
            agreed = gr.Checkbox(label=CONSENT, container=False, elem_id="learn-consent", elem_classes="consent")
            with gr.Row(elem_classes="actions"):
                start = gr.Button("Learn", variant="primary", scale=3, elem_id="learn-start")
                stop = gr.Button("Stop and keep", scale=1, min_width=150, interactive=False, elem_id="learn-stop")
            state = gr.HTML(empty(HINT), elem_id="learn-state")
            picture = gr.Image(
                show_label=False, interactive=False, height=HEIGHT // 2, visible=False, buttons=["fullscreen"],
                elem_id="learn-picture",
            )  # fmt: skip
            file = gr.File(label="Download: the head", interactive=False, visible=False, elem_id="learn-file")
            use = gr.Button("Use this head as the portrait", visible=False, elem_id="learn-use")

    def ended() -> Updates:
        return {start: gr.Button(interactive=True), stop: gr.Button(interactive=False)}

    def make(shown: str | None, how: str, time: float, consent: bool, request: gr.Request) -> Iterator[Updates]:
        yield {
            start: gr.Button(interactive=False),
            stop: gr.Button(interactive=True),
            state: busy("Getting ready", 0.0),
        }
        try:
            for step in steps(studio, shown, how, time, consent, request):
                if isinstance(step, Step):
                    yield {state: busy(step.line, step.part)}
                else:
                    views = {picture: gr.Image(step.picture, visible=True), file: gr.File(step.file, visible=True)}
                    yield {**ended(), **views, state: dubbed(step.facts, step.notes), use: gr.Button(visible=True)}
        except Exception as error:  # noqa: BLE001  it is logged, and told
            yield {**ended(), state: apologise(error)}

    @answered(lambda message: (gr.skip(), message))
    def adopt(path: str | None, request: gr.Request) -> tuple[Any, Any]:
        return studio.adopt(path, request), empty(
            "This head is the portrait now: go on to Reenact, Talk or any other.", live=True
        )

    outputs = [start, stop, state, picture, file, use]
    inputs = [film, method, minutes, agreed]
    job = start.click(make, inputs, outputs, concurrency_id=HEAVY, concurrency_limit=None, **PRIVATE)
    job.failure(lambda: {**ended(), state: failed(LOST)}, None, outputs, **AT_ONCE)
    stop.click(stopper(studio, TAB), None, None, **AT_ONCE)
    use.click(adopt, file, [portrait, state], **STILL)


def steps(
    studio: Studio, film: str | None, method: str, minutes: float, agreed: bool, request: gr.Request
) -> Iterator[Step | Head]:
    """Learn a head.

    Args:
        studio: Does the work.
        film: A video of one person.
        method: Of :data:`mggtalk.person.adapt.METHODS`.
        minutes: Time to learn.
        agreed: Whether the person agreed.
        request: Of the visitor.

    Yields:
        How far it is; at last the head, the visitor's own. A job that is stopped while it learns ends with what it has.

    Raises:
        MGGTalkError: If something is missing, cannot be read or shows no face, or the job was stopped too early.
    """
    visitor = studio.visitors.of(request)
    shown = given(film, "film", "Upload a video of one person.")
    resume = f"{shown}.checkpoint"
    studio.visitors.own(visitor, film, resume)
    if method not in METHODS:
        raise OptionError(f"There is no method {method!r:.40}.", "Choose one from the list.")
    config = AdaptConfig(method=method).lasting(as_number("time", minutes, LEAST_MINUTES, MOST_MINUTES))
    check_driver(shown, None, config=LIMITS)
    if agreed is not True:
        raise OptionError("The consent is not ticked.", f"Tick it if it is true: “{CONSENT}”")
    with studio.visitors.job(visitor, TAB) as stop:

        def work(emit: Callable[[Step | Head], None]) -> None:
            pace = Pace(lambda part, line: emit(Step(line, part)))

            def watch(stage: str, done: int, total: int) -> None:
                if stop.is_set() and not is_learning(stage):
                    raise StoppedError("Stopped before anything was learned.")
                pace(stage, done, total)

            with (
                studio.turn(visitor, stop, lambda place: emit(Step(place.describe()))),
                tempfile.TemporaryDirectory(prefix="mggtalk-") as folder,
            ):
                made = adapt(studio.engine.pipe, shown, AGREED, config, None, watch, stop.is_set, Path(resume))
                path = Path(folder) / "head.safetensors"
                write_head(path, made.file)
                size, kept = path.stat().st_size / 1e6, keep(path)
                studio.visitors.own(visitor, kept)
                view = studio.look(made.avatar, request)
            facts = made.file.facts
            learned = f"Learned from {facts.seconds:.0f} s in {facts.steps} steps; {size:.1f} MB"
            kept_on = ("Stopped early: the same film and method go on from here.",) if Path(resume).exists() else ()
            voice = made.voice.note[:1].upper() + made.voice.note[1:] + "."
            emit(Head(kept, view, learned, (*kept_on, *made.clip.notes, voice)))

        yield from pump(work, stop)
