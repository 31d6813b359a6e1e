"""The layout of the page: three tabs around the handlers of :class:`demo.handlers.Studio`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from demo.examples import Examples, collect
from demo.handlers import LANGUAGES, Studio
from mggtalk.depth.catalogue import MESH, NAMES, describe, status
from mggtalk.motion.arkit import CSV_SUFFIX
from mggtalk.motion.motion_file import SUFFIXES
from mggtalk.pipeline import MGGTalkPipeline

TITLE = "MGGTalk"
CONSENT = (
    "Use pictures and voices only of people who agreed to it, and say that the result is AI-made. "
    "Every video carries a mark in its metadata that says so too."
)
HEAVY = "pipeline"
"""One job at a time, whichever button it came from."""

KEEP_SECONDS = 3600
"""How long files and avatars of a visitor are kept."""

HEIGHT = 420
"""Of results, pixels."""

CSS = """
.gradio-container { width: 100%; max-width: 1200px !important; margin: 0 auto !important; }
#head h1 { margin-bottom: 0; }
.progress-text, .progress-level-inner { text-align: center; padding: 0 1em; }
#consent { font-size: 0.9em; opacity: 0.8; }
"""


def uploaded(payload: ImageData | None) -> str | None:
    """Path of a picture as it was uploaded: reading and checking it is the pipeline's business, not Gradio's."""
    return None if payload is None else payload.path


def theme() -> gr.themes.Base:
    """Plain, with the fonts of the visitor's system: nothing is fetched from elsewhere."""
    return gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "monospace"],
    )


def build(pipe: MGGTalkPipeline) -> gr.Blocks:
    """Lay out the page.

    Args:
        pipe: Does the work.

    Returns:
        The page with its queue; see :func:`launch`.
    """
    studio, examples = Studio(pipe), collect()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, KEEP_SECONDS), fill_width=True) as page:
        gr.Markdown(
            f"# {TITLE}\nOne photo talks, in 3D: driven by a video or by speech, seen from any side.", elem_id="head"
        )
        avatars = gr.State((), time_to_live=KEEP_SECONDS)
        depth = _depth()
        with gr.Tab("Reenact"):
            _reenact_tab(studio, examples, depth, avatars)
        with gr.Tab("Talk"):
            _talk_tab(studio, examples, depth, avatars)
        with gr.Tab("Free view"):
            _free_view_tab(studio, examples, depth, avatars)
        with gr.Accordion("Depth estimator", open=False):
            depth.render()
        gr.Markdown(CONSENT, elem_id="consent")
        page.unload(studio.stop)
    return page.queue(max_size=16, default_concurrency_limit=1)


def launch(**options: Any) -> None:
    """Load the pipeline and serve the page.

    Args:
        options: For :meth:`gr.Blocks.launch`, on top of those that the page needs.
    """
    page = build(MGGTalkPipeline.from_pretrained())
    page.launch(**{**serving(), **options})


def serving() -> dict[str, Any]:
    """Options for :meth:`gr.Blocks.launch`: nothing of the disk is served but the page's own cache."""
    return {
        "theme": theme(),
        "css": CSS,
        "allowed_paths": [],
        "max_file_size": "100mb",
        "ssr_mode": False,
    }


def _reenact_tab(studio: Studio, examples: Examples, depth: gr.Dropdown, avatars: gr.State) -> None:
    """A portrait and a driving video or motion file."""
    with gr.Row():
        with gr.Column():
            with gr.Row():
                portrait = _portrait()
                driving = _driving()
            motion = _motion_file()
            with gr.Row():
                pose = gr.Radio(["relative", "absolute"], value="relative", label="Head pose")
                size = _size()
            start, stop = _buttons("Reenact")
        video, facts = _results()
    inputs = [portrait, driving, motion, pose, size, depth, avatars]
    _wire(start, stop, studio, studio.reenact, inputs, [video, facts, avatars], "reenact")
    if examples.motions:
        _try(examples.portrait, examples.motions, [portrait, motion])


def _talk_tab(studio: Studio, examples: Examples, depth: gr.Dropdown, avatars: gr.State) -> None:
    """A portrait and a recording."""
    with gr.Row():
        with gr.Column():
            with gr.Row():
                portrait = _portrait()
                speech = _speech("Speech")
            with gr.Row():
                language = gr.Radio(list(LANGUAGES), value="auto", label="Language", scale=3, min_width=270)
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, scale=1, min_width=80)
            size = _size()
            start, stop = _buttons("Talk")
        video, facts = _results()
    inputs = [portrait, speech, language, seed, size, depth, avatars]
    _wire(start, stop, studio, studio.talk, inputs, [video, facts, avatars], "talk")
    if examples.speech:
        _try(examples.portrait, examples.speech, [portrait, speech])


def _free_view_tab(studio: Studio, examples: Examples, depth: gr.Dropdown, avatars: gr.State) -> None:
    """A portrait, perhaps a driver, and a moving viewpoint."""
    with gr.Row():
        with gr.Column(scale=4):
            portrait = _portrait()
            with gr.Accordion("Driver (optional)", open=False):
                gr.Markdown("Without one the portrait keeps its expression.")
                driving = _driving()
                speech = _speech("…or speech")
                motion = _motion_file()
            with gr.Row():
                low = gr.Slider(-60, 0, value=-30, step=5, label="From (°)", min_width=120)
                high = gr.Slider(0, 60, value=30, step=5, label="To (°)", min_width=120)
            size = _size()
            start, stop = _buttons("Look around")
        with gr.Column(scale=7):
            with gr.Row():
                video = _video()
                model = gr.Model3D(label="Splats: drag to turn", height=HEIGHT, interactive=False)
            facts = gr.Markdown()
            download = gr.DownloadButton("Download the splats (.ply)", size="sm")
    inputs = [portrait, driving, speech, motion, low, high, size, depth, avatars]
    _wire(start, stop, studio, studio.free_view, inputs, [video, facts, model, download, avatars], "free_view")
    gr.Examples([[examples.portrait]], [portrait], label="Try")


def _try(portrait: str, files: tuple[str, ...], inputs: list[gr.components.Component]) -> None:
    """Examples as buttons that fill in a portrait and a file."""
    labels = [Path(file).stem.replace("_", " ") for file in files]
    gr.Examples([[portrait, file] for file in files], inputs, example_labels=labels, label="Try")


def _portrait() -> gr.Image:
    portrait = gr.Image(label="Portrait", type="filepath", sources=["upload", "clipboard"], height=260)
    portrait.preprocess = uploaded  # type: ignore[method-assign]
    return portrait


def _driving() -> gr.Video:
    return gr.Video(label="Driving video", sources=["upload"], height=260)


def _speech(label: str) -> gr.Audio:
    return gr.Audio(label=label, sources=["upload", "microphone"], type="filepath", editable=False)


def _motion_file() -> gr.File:
    return gr.File(label="…or a motion file", file_types=[*SUFFIXES, CSV_SUFFIX], type="filepath", height=140)


def _depth() -> gr.Dropdown:
    """What can estimate the portrait's depth, and what would be downloaded first; shown where it is rendered."""
    choices = [(describe(status(name)), name) for name in NAMES]
    return gr.Dropdown(choices, value=MESH, label="Depth of the portrait", render=False)


def _size() -> gr.Radio:
    return gr.Radio([256, 512], value=512, label="Size (pixels)", min_width=160)


def _video() -> gr.Video:
    return gr.Video(label="Result (AI-made)", interactive=False, autoplay=True, height=HEIGHT)


def _results() -> tuple[gr.Video, gr.Markdown]:
    with gr.Column():
        return _video(), gr.Markdown()


def _buttons(label: str) -> tuple[gr.Button, gr.Button]:
    with gr.Row():
        return gr.Button(label, variant="primary", scale=3), gr.Button("Stop", scale=1, min_width=80)


def _wire(
    start: gr.Button,
    stop: gr.Button,
    studio: Studio,
    handler: Callable[..., tuple[object, ...]],
    inputs: list[gr.components.Component],
    outputs: list[gr.components.Component],
    name: str,
) -> None:
    """Connect the two buttons of a tab."""
    start.click(
        handler, inputs, outputs, api_name=name, concurrency_id=HEAVY, concurrency_limit=1, show_progress_on=outputs[0]
    )
    stop.click(studio.stop, queue=False, api_visibility="private")
