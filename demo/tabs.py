"""The three tabs that make videos: reenact, talk and free view."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.examples import Examples
from demo.first import Run
from demo.living import living_head
from demo.orders import BACKGROUNDS, HEAD_STYLES, LANGUAGES, PATHS, VIEWS, free_view_order, reenact_order, talk_order
from demo.panel import Panel
from demo.portrait import PRIVATE, Column, named, try_buttons
from demo.report import failed, public
from demo.studio import Studio
from demo.uploads import WEBCAM, UploadedAudio, UploadedImage, UploadedVideo
from mggtalk.errors import MGGTalkError
from mggtalk.motion.arkit import CSV_SUFFIX
from mggtalk.motion.motion_arrays import SUFFIXES

MOTION_FILES = [*SUFFIXES, CSV_SUFFIX]


def reenact_tab(studio: Studio, examples: Examples, column: Column, gallery: list[Any]) -> Run:
    """A driver's video or a motion file."""
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            gr.Markdown("## 2 · Who moves the portrait?", elem_classes="step")
            driving = _driving("Driving video", "reenact-driving")
            motion = _motion_file("…or a motion file", "reenact-motion")
            try_buttons(examples.motions, motion)
            with gr.Accordion("…or a picture whose expression is taken", open=False):
                picture = UploadedImage(
                    label="Driving picture", sources=["upload", "webcam"], type="filepath", elem_id="reenact-picture"
                )
            with gr.Accordion("How it is played", open=False):
                pose = gr.Radio(
                    [("added to the portrait's own", "relative"), ("as in the video", "absolute")],
                    value="relative",
                    label="Head pose",
                    info="“As in the video” is for a driver who is the person of the portrait.",
                )
                strength = gr.Slider(0, 2, 1, step=0.05, label="Pose strength", info="0 keeps the head still")
                expression = gr.Slider(0, 2, 1, step=0.05, label="Expression strength")
                smoothing = gr.Slider(0, 0.3, 0, step=0.01, label="Smoothing (s)", info="Calms a trembling head")
                regions = gr.Dropdown(
                    [("lips", "lips"), ("eyes and brows", "eyes"), ("the head's pose", "pose"), ("all", "all")],
                    value=["all"],
                    multiselect=True,
                    label="What follows the driver",
                    info="The rest stays as in the portrait.",
                )
                camera = gr.Checkbox(value=False, label="Eyes on the camera", info="wherever the head turns")
                face = gr.Number(
                    0, precision=0, minimum=0, maximum=8, label="Driver's face",
                    info="0: the largest. 1, 2, …: counted from the left in the first frame",
                )  # fmt: skip
            whole, size, background = _whole(), _size(), _background()
        with gr.Column(scale=6, min_width=300):
            panel = Panel(
                studio,
                "reenact",
                "The video will appear here, and play while it is made. First choose a portrait and what moves it.",
                "Reenact",
            )
    strengths = [pose, strength, expression, smoothing]
    inputs = [
        *_common(column, panel, size, background),
        driving,
        motion,
        *strengths,
        face,
        regions,
        camera,
        picture,
        whole,
    ]
    panel.wire(reenact_order, inputs, gallery)
    _own(studio, driving, motion, picture)
    return Run("reenact", panel, reenact_order, inputs, motion, (driving, picture))


def talk_tab(studio: Studio, examples: Examples, column: Column, gallery: list[Any]) -> Run:
    """Speech."""
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            gr.Markdown("## 2 · What is said?", elem_classes="step")
            speech = _speech("Speech", "talk-speech")
            try_buttons(examples.speech, speech)
            with gr.Accordion("How it is said", open=False):
                language = gr.Radio(
                    list(LANGUAGES), value="auto", label="Language",
                    info="English sounds are known one by one; for others the lips follow the loudness.",
                )  # fmt: skip
                energy = gr.Slider(0, 2, 1, step=0.05, label="Energy", info="Of lips, head and brows together")
                mouth = gr.Slider(0, 1.6, 1, step=0.05, label="Mouth strength")
                head = gr.Radio(list(HEAD_STYLES), value="natural", label="Head motion")
                blinks = gr.Slider(0, 40, 16, step=1, label="Blinks per minute")
                donor = _motion_file("Head motion from a motion file (optional)", "talk-donor")
                seed = gr.Number(
                    0, label="Variation", precision=0, minimum=0, info="Another number, another head motion"
                )
            whole, size, background = _whole(), _size(), _background()
        with gr.Column(scale=6, min_width=300):
            panel = Panel(
                studio,
                "talk",
                "The video will appear here, and play while it is made. First choose a portrait and a recording.",
                "Talk",
            )
    inputs = [
        *_common(column, panel, size, background),
        speech,
        language,
        mouth,
        head,
        energy,
        blinks,
        donor,
        seed,
        whole,
    ]
    panel.wire(talk_order, inputs, gallery)
    _own(studio, speech, donor)
    return Run("talk", panel, talk_order, inputs, speech, ())


def free_view_tab(studio: Studio, examples: Examples, column: Column, gallery: list[Any]) -> Run:
    """A moving viewpoint."""
    with gr.Row():
        with gr.Column(scale=4, min_width=280):
            gr.Markdown("## 2 · How does the camera move?", elem_classes="step")
            view = gr.Radio(list(VIEWS), value=next(iter(VIEWS)), label="View")
            path = gr.Radio(list(PATHS), value=next(iter(PATHS)), label="Camera path")
            low = gr.Slider(-60, 0, -30, step=5, label="From (°)")
            high = gr.Slider(0, 60, 30, step=5, label="To (°)")
            fov = gr.Slider(
                10, 60, 22, step=1, label="Field of view (°)", info="How near the camera stands: wide angles bulge."
            )
            with gr.Accordion("Let it move meanwhile (optional)", open=False):
                gr.Markdown("Without any of these the portrait keeps its expression.", elem_classes="note")
                driving = _driving("Driving video", "free_view-driving")
                speech = _speech("…or speech", "free_view-speech")
                motion = _motion_file("…or a motion file", "free_view-motion")
                try_buttons(examples.motions, motion)
            size, background = _size(), _background()
            quick = gr.Button("Only a still from three sides", size="sm", elem_id="sides-start")
        with gr.Column(scale=7, min_width=300):
            panel = Panel(
                studio,
                "free_view",
                "The camera's flight will appear here, and the 3D head that you can turn. First choose a portrait.",
                "Look around",
                viewer=True,
            )
            sides = gr.Image(
                label="−30°, 0°, 30° (AI-made)",
                show_label=False,
                interactive=False,
                visible=False,
                elem_id="sides",
                buttons=["download"],
            )
    inputs = [*_common(column, panel, size, background), view, path, low, high, fov, driving, speech, motion]
    panel.wire(free_view_order, inputs, gallery)

    def three(portrait: str | None, face: int | None, depth: str, request: gr.Request) -> tuple[Any, Any]:
        try:
            picture = studio.sides(named(portrait, face, depth), 256, request)
        except MGGTalkError as error:
            return gr.skip(), failed(public(error))
        return gr.Image(picture, visible=True), gr.skip()

    living_head(studio, column, panel.consent, speech, motion)
    quick.click(three, column.who, [sides, panel.state], show_progress_on=sides, **PRIVATE)
    _own(studio, driving, speech, motion)
    return Run("free_view", panel, free_view_order, inputs, motion, (driving, speech))


def _common(column: Column, panel: Panel, size: gr.Radio, background: gr.Dropdown) -> list[Any]:
    """The inputs that all orders begin with."""
    return [*column.who, panel.consent, column.badge, column.statement, size, background]


def _driving(label: str, name: str) -> gr.Video:
    return UploadedVideo(
        label=label, sources=["upload", "webcam"], include_audio=True, height=262, webcam_options=WEBCAM, elem_id=name
    )


def _speech(label: str, name: str) -> gr.Audio:
    return UploadedAudio(
        label=label, sources=["upload", "microphone"], type="filepath", editable=False, buttons=[], elem_id=name
    )


def _motion_file(label: str, name: str) -> gr.File:
    return gr.File(label=label, file_types=MOTION_FILES, type="filepath", height=130, elem_id=name)


def _size() -> gr.Radio:
    return gr.Radio([256, 512], value=512, label="Size (pixels)", info="256 is made faster", min_width=160)


def _whole() -> gr.Checkbox:
    return gr.Checkbox(
        value=False,
        label="In the whole picture",
        info="The head moves in its place, all else stays. Of several photos the first",
        min_width=160,
    )


def _background() -> gr.Dropdown:
    return gr.Dropdown(
        list(BACKGROUNDS), value=next(iter(BACKGROUNDS)), allow_custom_value=True, label="Background",
        info="Transparent: a WebM with alpha. Or write a colour, #rrggbb", min_width=160,
    )  # fmt: skip


def _own(studio: Studio, *uploads: Any) -> None:
    """Note whose an upload is, so that it goes when its owner leaves."""

    def own(path: str | None, request: gr.Request) -> None:
        studio.visitors.own(studio.visitors.of(request), path)

    for upload in uploads:
        upload.change(own, upload, None, queue=False, show_progress="hidden", api_visibility="private")
