"""The first screen: a finished sample that plays at once, and examples that run on one click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.events import AT_ONCE
from demo.examples import Examples
from demo.film import Order
from demo.panel import Panel

INTRODUCTION = """
<div class="hero"><div><h1>MGGTalk</h1>
<p>One photo talks, in 3D: moved by a video or by speech, and seen from any side.
Nothing is trained for the person, and no GPU is needed.</p>
<p class="note">The people of the examples do not exist. What you make is marked as AI-made.</p></div>
SAMPLE</div>
"""

PAUSE = """
const video = element.querySelector("video");
let seen = true, resume = false;
const follow = () => {
    if (seen && !document.hidden) {
        if (resume) video.play().catch(() => {});
        resume = false;
    } else if (!video.paused) {
        video.pause();
        resume = true;
    }
};
if (video) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) { video.autoplay = false; video.pause(); }
    new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; follow(); }).observe(video);
    document.addEventListener("visibilitychange", follow);
}
"""
"""The sample plays only while it is seen, and not by itself where the visitor wants no motion."""


class Run(NamedTuple):
    """The parts that a tab needs to make a video; the examples use it as well as its start button."""

    tab: str
    panel: Panel
    order: Callable[..., Order]
    inputs: list[Any]
    driver: Any  # component that takes the driver of an example; None: it needs none
    others: tuple[Any, ...]  # components that would be a second driver


class Whole(NamedTuple):
    """An example that runs on one click."""

    title: str
    portrait: str
    tab: str
    driver: str


WHOLE = (
    Whole("Mei says hello", "mei", "talk", "hello"),
    Whole("Kofi looks around", "kofi", "reenact", "look_around"),
    Whole("Nora smiles and nods", "nora", "reenact", "smile_and_nod"),
    Whole("Walk around Amara", "amara", "free_view", "chatter"),
)


def introduce(examples: Examples) -> None:
    """Introduce the page, with the sample beside the words."""
    sample = ""
    if examples.sample:
        still = f"gradio_api/file={examples.sample}"
        sample = (
            f'<figure><video src="{still}" muted autoplay loop playsinline controls aria-label="Sample: a portrait '
            'that speaks"></video><figcaption>Made by MGGTalk from one of the portraits below and a recording. AI-made.'
            "</figcaption></figure>"
        )
    gr.HTML(INTRODUCTION.replace("SAMPLE", sample), js_on_load=PAUSE, elem_id="head")


def whole_examples(examples: Examples) -> list[tuple[Whole, gr.Button]]:
    """A button for each example that runs on one click; :func:`wire` connects them when the tabs are there."""
    gr.Markdown("## Try it with one click", elem_classes="step")
    with gr.Row(elem_classes="try whole", elem_id="whole"):
        return [
            (whole, gr.Button(whole.title, icon=_named(examples.portraits, whole.portrait), min_width=130))
            for whole in WHOLE
        ]


def wire(
    buttons: list[tuple[Whole, gr.Button]],
    examples: Examples,
    tabs: gr.Tabs,
    portrait: Any,
    runs: list[Run],
    gallery: list[Any],
) -> None:
    """Let each example fill in its tab, and start it."""
    for whole, button in buttons:
        run = next(run for run in runs if run.tab == whole.tab)
        files = (
            _named(examples.portraits, whole.portrait),
            _named((*examples.motions, *examples.speech), whole.driver),
            *(None for _ in run.others),
        )

        def fill(tab: str = whole.tab, files: tuple[str | None, ...] = files) -> tuple[Any, ...]:
            return gr.Tabs(selected=tab), *files  # made here: in the layout it would be one more row of tabs

        filled = button.click(fill, None, [tabs, portrait, run.driver, *run.others], **AT_ONCE)
        run.panel.follow(filled.then, run.order, run.inputs, gallery)


def _named(paths: tuple[str, ...], name: str) -> str:
    return next(path for path in paths if Path(path).stem == name)
