"""The two tabs that show stills: edit by hand, and why the portrait comes out as it does."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.answers import answered
from demo.events import AT_ONCE, STILL
from demo.help import heading
from demo.limits import as_number
from demo.portrait import Column, named
from demo.report import empty
from demo.studio import Studio
from mggtalk.evaluation.explain import DROPPED, GUESSED, KEPT, MIRRORED, SEEN, Counts
from mggtalk.motion.edit import TURNS, Edit

LABELS = {
    "yaw": "Turn left – right (°)",
    "pitch": "Nod up – down (°)",
    "roll": "Tilt (°)",
    "gaze_x": "Eyes left – right (°)",
    "gaze_y": "Eyes down – up (°)",
    "smile": "Frown – smile",
    "jaw": "Open the mouth",
    "brows": "Brows down – up",
    "blink": "Close the eyes",
}
"""Names of the sliders, in the order of :class:`Edit`."""

POSES = {
    "As it is": Edit(),
    "Smile": Edit(smile=0.8, yaw=-8),
    "Surprise": Edit(brows=0.9, jaw=0.55),
    "Doubt": Edit(brows=-0.7, smile=-0.5, roll=9, gaze_x=-14),
    "Look aside": Edit(yaw=24, gaze_x=12),
}
"""Buttons that set all sliders."""

PICTURES = (
    "Depth: near is bright",
    "Normals: where the surface looks",
    "Mirrored half: kept, dropped",
    "From the side: shown, mirrored, guessed",
)
"""Names of the pictures that explain a portrait, in the order of :class:`mggtalk.evaluation.explain.Explanation`."""


def edit_tab(studio: Studio, column: Column) -> None:
    """Sliders, and a still that follows them."""
    with gr.Row(elem_classes="edit"):
        with gr.Column(scale=5, min_width=280):
            gr.HTML("<h2>2 · Move the sliders</h2>", elem_classes="step")
            with gr.Row():
                buttons = [gr.Button(name, size="sm", min_width=80) for name in POSES]
            sliders = [_slider(name) for name in Edit._fields]
        with gr.Column(scale=6, min_width=300, elem_classes="edit-picture"):
            state = gr.HTML(
                empty("The picture will appear here and follow the sliders. First choose a portrait."),
                elem_id="edit-state",
            )
            still = gr.Image(
                label="Still (AI-made)",
                show_label=False,
                interactive=False,
                height=440,
                buttons=["download", "fullscreen"],
                elem_id="edit-still",
            )

    @answered(lambda message: (message, gr.skip()))
    def edit_all(request: gr.Request, *values: Any) -> tuple[Any, Any]:
        portrait, face, depth, *numbers = values
        change = Edit(*(as_number(LABELS[name], value, -180, 180) for name, value in zip(Edit._fields, numbers)))
        return "", studio.still(named(portrait, face, depth), change, 512, request)

    inputs = [*column.who, *sliders]
    shown = {"show_progress": "hidden", "trigger_mode": "always_last", **STILL}
    for slider in sliders:
        slider.input(edit_all, inputs, [state, still], **shown)
    for button, pose in zip(buttons, POSES.values()):
        pressed = button.click(lambda pose=pose: list(pose), None, sliders, **AT_ONCE)
        pressed.then(edit_all, inputs, [state, still], show_progress="hidden", **STILL)


def _slider(name: str) -> gr.Slider:
    """A slider of one number of an edit."""
    most = TURNS.get(name, 1.0)
    least = 0.0 if name in ("jaw", "blink") else -most
    return gr.Slider(least, most, 0.0, step=1 if name in TURNS else 0.05, label=LABELS[name], elem_id=f"edit-{name}")


def why_tab(studio: Studio, column: Column) -> None:
    """Parts that the head is built from."""
    heading(
        "2 · What the photo shows, and what is guessed",
        "How the head is built",
        "What the photo shows becomes points in space; the half that it hides is mirrored; the rest is a guess. The "
        "head is made of soft dots, called Gaussians, that are drawn over each other.",
        ("Depth", "How far each point is from the camera; near is bright."),
        ("Normals", "Which way the surface looks, as a colour."),
    )
    button = gr.Button("Explain this portrait", variant="primary", elem_id="why-start")
    state = gr.HTML(empty("Four pictures will appear here. First choose a portrait."), elem_id="why-state")
    with gr.Row(elem_id="why-pictures"):
        pictures = [_picture(name) for name in PICTURES]

    @answered(lambda message: [message, *(gr.skip() for _ in PICTURES)])
    def why(portrait: str | None, face: int | None, depth: str, request: gr.Request) -> list[Any]:
        counts, pictures = studio.why(named(portrait, face, depth), request)
        return [_counts(counts), *pictures]

    button.click(why, column.who, [state, *pictures], show_progress_on=pictures, **STILL)


def _picture(name: str) -> gr.Image:
    """A picture with its name under it, where it hides nothing."""
    with gr.Column(min_width=200):
        picture = gr.Image(label=name, show_label=False, interactive=False, buttons=["fullscreen"])
        gr.Markdown(name, elem_classes="note")
    return picture


def _counts(counts: Counts) -> str:
    """Numbers and the colours that they have in the pictures."""
    entries = [
        (SEEN, f"{counts.seen:,} Gaussians from what the photo shows"),
        (MIRRORED, f"{counts.mirrored:,} mirrored"),
        (GUESSED, f"{counts.back + counts.mouth:,} guessed: back of the head, inside of the mouth"),
        (KEPT, "mirror image kept"),
        (DROPPED, f"{counts.dropped:,} mirror images dropped, because the photo shows their place already"),
    ]
    legend = "".join(f'<span><i style="background:{_css(colour)}"></i>{text}</span>' for colour, text in entries)
    return f'<div class="state done legend"><b>{counts.total:,} Gaussians in all.</b><br>{legend}</div>'


def _css(colour: tuple[float, float, float]) -> str:
    return "rgb({})".format(",".join(str(round(255 * part)) for part in colour))
