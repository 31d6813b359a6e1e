"""The left column of the page: portrait, check, choice of the face, preview and badge."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from demo.album import Albums, photo_gallery
from demo.examples import Examples, title
from demo.film import Portrait
from demo.report import empty, failed, portrait_card, public
from demo.studio import PREVIEW, Studio
from demo.uploads import UploadedImage
from mggtalk.config import NO_BADGE_STATEMENT
from mggtalk.depth.catalogue import CATALOGUE, MESH, NAMES, Status, describe, status
from mggtalk.errors import MGGTalkError

QUICK = "stills"
"""Quick events; the studio has a line for them, and for the videos another: Gradio's queue holds nobody up."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_id": QUICK, "concurrency_limit": None}

START = empty("Choose a picture of one person: from the front, sharp and evenly lit is best.")


def try_buttons(files: tuple[str, ...], target: Any, kind: str = "") -> None:
    """Examples as buttons that put their file into a component; pictures show themselves."""
    with gr.Row(elem_classes=f"try {kind}"):
        for file in files:
            icon = file if file.endswith(".jpg") else None
            button = gr.Button(title(file), size="sm", icon=icon, min_width=60)
            button.click(
                lambda file=file: file, None, target, queue=False, show_progress="hidden", api_visibility="private"
            )


class Column(NamedTuple):
    """The components that every tab needs."""

    portrait: gr.Image
    face: gr.Radio
    depth: gr.Dropdown
    badge: gr.Checkbox
    statement: gr.Textbox

    @property
    def who(self) -> list[Any]:
        """Inputs that name the portrait."""
        return [self.portrait, self.face, self.depth]


def named(path: str | None, face: int | None, depth: str) -> Portrait:
    """The portrait of the inputs :attr:`Column.who`."""
    return Portrait(path, None if face is None else int(face), depth)


def portrait_column(studio: Studio, examples: Examples) -> Column:
    """Lay out the column and connect it."""
    gr.Markdown("## 1 · Portrait", elem_classes="step")
    portrait = UploadedImage(
        label="Portrait: a photo of one person",
        show_label=False,
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        height=230,
        buttons=[],
        elem_id="portrait",
    )
    try_buttons(examples.portraits, portrait, "pictures")
    gallery, album = photo_gallery()
    with gr.Accordion("Or a head learned from a clip", open=False):
        gr.Markdown("An adapter that `python -m mggtalk adapt` made: one file of at most 10 MB.", elem_classes="note")
        adapter = gr.File(label="Adapter (.safetensors)", type="filepath", height=90, elem_id="adapter")
    card = gr.HTML(START, elem_id="check")
    faces = gr.Image(
        label="Click the face", show_label=False, visible=False, interactive=False, buttons=[], elem_id="faces"
    )
    face = gr.Radio([], label="Or choose it here", visible=False, elem_id="face")
    preview = gr.Image(
        label="Preview of the 3D head (AI-made)",
        show_label=False,
        visible=False,
        interactive=False,
        height=230,
        buttons=["fullscreen"],
        elem_id="preview",
    )
    with gr.Accordion("How the depth is guessed", open=False):
        found = [status(name) for name in NAMES]
        gr.Markdown(_about_depth(found), elem_classes="note")
        choices = [(describe(entry), entry.name) for entry in found if entry.ready]
        depth = gr.Dropdown(choices, value=MESH, label="Depth of the portrait", elem_id="depth")
    with gr.Accordion("The “AI-made” badge", open=False):
        badge = gr.Checkbox(value=True, label="Show the badge in the picture", container=False, elem_id="badge")
        statement = gr.Textbox(
            label="To leave it out, type this statement",
            info=NO_BADGE_STATEMENT,
            placeholder="I declare …",
            visible=False,
            max_length=120,
            elem_id="statement",
        )
    column = Column(portrait, face, depth, badge, statement)
    _wire(studio, column, card, faces, preview)
    _wire_adapter(studio, adapter, portrait, card)
    _wire_photos(studio, column, gallery, album, preview)
    return column


def _about_depth(found: list[Status]) -> str:
    """Explain the list, and how those who run the server get more into it."""
    lines = ["What guesses the shape of the head from the photo. The first one is quick and always there."]
    missing = [f"- {CATALOGUE[entry.name].about}: `{entry.missing}`" for entry in found if not entry.ready]
    if missing:
        lines.append("Not on this server; these commands fetch them:\n\n" + "\n".join(missing))
    return "\n\n".join(lines)


def _wire_adapter(studio: Studio, adapter: gr.File, portrait: gr.Image, card: gr.HTML) -> None:
    """An adapter that is uploaded brings its own portrait."""

    def adopt(path: str | None, request: gr.Request) -> tuple[Any, Any]:
        try:
            return studio.adopt(path, request), gr.skip()
        except MGGTalkError as error:
            return gr.skip(), failed(public(error))

    def let_go(request: gr.Request) -> None:
        studio.adopt(None, request)

    adapter.upload(adopt, adapter, [portrait, card], show_progress_on=card, **PRIVATE)
    adapter.clear(let_go, None, portrait, **PRIVATE)


def _wire_photos(studio: Studio, column: Column, gallery: gr.Gallery, album: gr.HTML, preview: gr.Image) -> None:
    """Further photos are looked at when they come or go, and the preview shows the head with them."""
    albums, looks = Albums(studio), Looks(studio)

    def show(path: str | None, number: int | None, name: str, request: gr.Request) -> Any:
        return looks.show(path, number, name, (), request)

    for event in (gallery.upload, gallery.delete):
        gathered = event(albums.gather, [column.portrait, gallery], [gallery, album], show_progress_on=album, **PRIVATE)
        gathered.then(show, column.who, preview, **PRIVATE)
    column.portrait.change(albums.let_go, None, [gallery, album], show_progress="hidden", **PRIVATE)


class Looks:
    """The page's answers to a portrait that was chosen.

    Args:
        studio: Does the work.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def look(self, path: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Check a new portrait."""
        hidden = gr.Image(visible=False, value=None), gr.Radio([], value=None, visible=False), ()
        if path is None:
            return (START, *hidden)
        try:
            check, framed = self._studio.check(path, request)
        except MGGTalkError as error:
            return (failed(public(error)), *hidden)
        if len(check.boxes) < 2:
            return (portrait_card(check), *hidden)
        names = [(f"Face {number + 1}", number) for number in range(len(check.boxes))]
        radio = gr.Radio(names, value=None, visible=True)
        return portrait_card(check), gr.Image(framed.picture, visible=True), radio, framed.boxes

    def look_at(self, path: str | None, number: int | None, request: gr.Request) -> tuple[Any, Any]:
        """Check the face that was chosen."""
        if path is None or number is None:
            return gr.skip(), gr.skip()
        try:
            check, framed = self._studio.check(path, request, int(number))
        except MGGTalkError as error:
            return failed(public(error)), gr.skip()
        return portrait_card(check), framed.picture

    def show(
        self, path: str | None, number: int | None, name: str, places: tuple[Any, ...], request: gr.Request
    ) -> Any:
        """One frame of the avatar."""
        if path is None or (places and number is None):
            return gr.Image(None, visible=False)
        try:
            return gr.Image(self._studio.still(named(path, number, name), PREVIEW, 384, request), visible=True)
        except MGGTalkError:
            return gr.Image(None, visible=False)  # the card says why


def face_under(places: tuple[tuple[float, ...], ...], event: gr.SelectData) -> Any:
    """The face under the pointer."""
    x, y = event.index
    inside = [n for n, (x0, y0, x1, y1) in enumerate(places) if x0 <= x <= x1 and y0 <= y <= y1]
    return inside[0] if inside else gr.skip()


def _wire(studio: Studio, column: Column, card: gr.HTML, faces: gr.Image, preview: gr.Image) -> None:
    """Check and preview follow the portrait; a click or the radio chooses among faces."""
    portrait, face, depth, badge, statement = column.portrait, column.face, column.depth, column.badge, column.statement
    boxes = gr.State(())
    shown = [card, faces, face, boxes]

    looks = Looks(studio)
    inputs = [portrait, face, depth, boxes]
    looked = portrait.change(looks.look, portrait, shown, show_progress_on=card, **PRIVATE)
    looked.then(looks.show, inputs, preview, **PRIVATE)
    faces.select(face_under, boxes, face, **PRIVATE)
    chosen = face.change(looks.look_at, [portrait, face], [card, faces], show_progress="hidden", **PRIVATE)
    chosen.then(looks.show, inputs, preview, **PRIVATE)
    depth.change(looks.show, inputs, preview, **PRIVATE)
    badge.change(
        lambda shown: gr.Textbox(visible=not shown), badge, statement, queue=False, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
