"""The three tabs that make videos: reenact, talk and free view."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.answers import answered
from demo.events import AT_ONCE, STILL
from demo.examples import Examples
from demo.first import Run
from demo.help import Entry, explained, heading
from demo.living import living_head
from demo.orders import BACKGROUNDS, HEAD_STYLES, LANGUAGES, PATHS, VIEWS, free_view_order, reenact_order, talk_order
from demo.panel import Panel
from demo.portrait import Column, named, try_buttons
from demo.studio import Studio
from demo.uploads import WEBCAM, UploadedAudio, UploadedImage, UploadedVideo
from mggtalk.motion.arkit import CSV_SUFFIX
from mggtalk.motion.motion_arrays import SUFFIXES

MOTION_FILES = [*SUFFIXES, CSV_SUFFIX]

DRIVERS: tuple[Entry | str, ...] = (
    "Give one of the three. The portrait takes over the movements, never the looks.",
    ("A video", "One person whose face is in view; its sound comes along. Or record one with the webcam."),
    (
        "Recorded movements",
        "A motion file: each video that you make has one among its downloads. The three buttons are such files too. "
        "Tables of face-capture apps (.csv) work as well.",
    ),
    ("A picture", "The portrait eases into the expression and the turn of the head that it shows."),
)

PLAYED: tuple[Entry | str, ...] = (
    ("Turns of the head", "“As in the video” is for a video of the same person as in the portrait."),
    ("Strength of the turns", "0 keeps the head still."),
    ("Smoothing", "Calms a trembling head."),
    ("What is taken from the video", "The rest stays as in the portrait."),
    ("Face in the video", "0 is the largest; 1, 2, … are counted from the left in the first frame."),
)

SPOKEN: tuple[Entry | str, ...] = (
    "Any language, one voice, little noise; up to two minutes. Lips follow the sound, the head moves by itself.",
)

SAID: tuple[Entry | str, ...] = (
    ("Language", "English sounds are known one by one; for others the lips follow more the loudness."),
    ("Energy", "Of lips, head and brows together."),
    ("Variation", "Another number, other movements of the head."),
    ("Listen to it", "The head stays silent, nods where a phrase ends, and smiles now and then."),
)

FLIGHT: tuple[Entry | str, ...] = (
    ("View", "One camera that flies, or three pictures beside each other."),
    ("Camera path", "Swing goes from side to side, circle also up and down."),
    ("Field of view", "How near the camera stands: wide angles bulge."),
)

PICTURE: tuple[Entry | str, ...] = (
    ("The whole picture", "The head moves in its place in the photo, all else stays. Of several photos the first."),
    ("Background", "Transparent gives a WebM file that can be laid over others. Or write a colour, such as #0080ff."),
)


def reenact_tab(studio: Studio, examples: Examples, column: Column, gallery: list[Any]) -> Run:
    """A driver's video or a motion file."""
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            heading("2 · Who moves the portrait?", "What moves the portrait", *DRIVERS)
            driving = _driving("Video of a face that moves", "reenact-driving")
            motion = _motion_file("…or recorded movements", "reenact-motion")
            try_buttons(examples.motions, motion)
            with gr.Accordion("…or a picture whose expression is taken", open=False):
                picture = UploadedImage(
                    label="Picture of a face", sources=["upload", "webcam"], type="filepath", elem_id="reenact-picture"
                )
            with gr.Accordion("How it is played", open=False):
                explained("", "How it is played", *PLAYED)
                pose = gr.Radio(
                    [("added to the portrait's own", "relative"), ("as in the video", "absolute")],
                    value="relative",
                    label="Turns of the head",
                )
                strength = gr.Slider(0, 2, 1, step=0.05, label="Strength of the turns")
                expression = gr.Slider(0, 2, 1, step=0.05, label="Strength of the expression")
                smoothing = gr.Slider(0, 0.3, 0, step=0.01, label="Smoothing (s)")
                regions = gr.Dropdown(
                    [("lips", "lips"), ("eyes and brows", "eyes"), ("turns of the head", "pose"), ("all", "all")],
                    value=["all"],
                    multiselect=True,
                    label="What is taken from the video",
                )
                camera = gr.Checkbox(value=False, label="Eyes always look into the camera")
                face = gr.Number(0, precision=0, minimum=0, maximum=8, label="Face in the video (0: the largest)")
            whole, size, background = _picture("Reenact", whole=True)
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
            heading("2 · What is said?", "What is said", *SPOKEN)
            speech = _speech("Speech", "talk-speech")
            try_buttons(examples.speech, speech)
            with gr.Accordion("How it is said", open=False):
                explained("", "How it is said", *SAID)
                language = gr.Radio(list(LANGUAGES), value="auto", label="Language")
                energy = gr.Slider(0, 2, 1, step=0.05, label="Energy")
                mouth = gr.Slider(0, 1.6, 1, step=0.05, label="Strength of the lips")
                head = gr.Radio(list(HEAD_STYLES), value="natural", label="Head")
                blinks = gr.Slider(0, 40, 16, step=1, label="Blinks per minute")
                donor = _motion_file("Recorded movements for the head (optional)", "talk-donor")
                seed = gr.Number(0, label="Variation", precision=0, minimum=0)
                listener = gr.Checkbox(value=False, label="Listen to it instead of saying it")
            whole, size, background = _picture("Talk", whole=True)
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
        listener,
    ]
    panel.wire(talk_order, inputs, gallery)
    _own(studio, speech, donor)
    return Run("talk", panel, talk_order, inputs, speech, ())


def free_view_tab(studio: Studio, examples: Examples, column: Column, gallery: list[Any]) -> Run:
    """A moving viewpoint."""
    heading("2 · How does the camera move?", "How the camera moves", *FLIGHT)
    with gr.Row():
        with gr.Column(min_width=250):
            view = gr.Radio(list(VIEWS), value=next(iter(VIEWS)), label="View")
            path = gr.Radio(list(PATHS), value=next(iter(PATHS)), label="Camera path")
        with gr.Column(min_width=250):
            low = gr.Slider(-60, 0, -30, step=5, label="From (°)")
            high = gr.Slider(0, 60, 30, step=5, label="To (°)")
            fov = gr.Slider(10, 60, 22, step=1, label="Field of view (°)")
        with gr.Column(min_width=250):
            _, size, background = _picture("Free view", whole=False)
    with gr.Accordion("Let it move meanwhile (optional)", open=False):
        gr.Markdown("Without any of these the portrait keeps its expression.", elem_classes="note")
        with gr.Row():
            driving = _driving("Video of a face that moves", "free_view-driving")
            speech = _speech("…or speech", "free_view-speech")
            with gr.Column(min_width=250):
                motion = _motion_file("…or recorded movements", "free_view-motion")
                try_buttons(examples.motions, motion)
    panel = Panel(
        studio,
        "free_view",
        "The camera's flight will appear here, and the head in 3D that you can turn. First choose a portrait.",
        "Look around",
        viewer=True,
    )
    quick = gr.Button("Only a still from three sides", size="sm", elem_id="sides-start")
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

    @answered(lambda message: (gr.skip(), message))
    def three(portrait: str | None, face: int | None, depth: str, request: gr.Request) -> tuple[Any, Any]:
        return gr.Image(studio.sides(named(portrait, face, depth), 256, request), visible=True), gr.skip()

    living_head(studio, column, panel.consent, speech, motion)
    quick.click(three, column.who, [sides, panel.state], show_progress_on=sides, **STILL)
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


def _picture(tab: str, whole: bool) -> tuple[gr.Checkbox, gr.Radio, gr.Dropdown]:
    """Whether the whole picture is made, its size and what is behind the person."""
    entries = PICTURE if whole else PICTURE[1:]
    explained("The picture", f"The picture of {tab}", *entries)
    box = gr.Checkbox(value=False, label="Keep the whole picture around the head", visible=whole)
    sizes = [("256, made faster", 256), ("512", 512), ("1024, of a large photo, slower", 1024)]
    size = gr.Radio(sizes, value=512, label="Size (pixels)", min_width=160)
    background = gr.Dropdown(
        list(BACKGROUNDS), value=next(iter(BACKGROUNDS)), allow_custom_value=True, label="Background", min_width=160
    )
    return box, size, background


def _own(studio: Studio, *uploads: Any) -> None:
    """Note whose an upload is, so that it goes when its owner leaves."""

    def own(path: str | None, request: gr.Request) -> None:
        studio.visitors.own(studio.visitors.of(request), path)

    for upload in uploads:
        upload.change(own, upload, None, **AT_ONCE)
