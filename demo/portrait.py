"""The left column of the page: portrait, check, choice of the face, preview and badge."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from demo.album import Albums, photo_gallery
from demo.answers import answered, apologise
from demo.clicks import Clicks, click_part, wire_clicks
from demo.events import AT_ONCE, STILL
from demo.examples import Examples, title
from demo.film import Portrait
from demo.help import Entry, explained, heading
from demo.report import empty, portrait_card
from demo.studio import PREVIEW, Studio
from demo.uploads import UploadedImage
from mggtalk.config import NO_BADGE_STATEMENT
from mggtalk.depth.catalogue import CATALOGUE, MESH, NAMES, Status, describe, status
from mggtalk.face.points import LEAST

START = empty("Choose a picture of one person: from the front, sharp and evenly lit is best.")


def try_buttons(files: tuple[str, ...], target: Any, kind: str = "") -> None:
    """Examples as buttons that put their file into a component; pictures show themselves."""
    with gr.Row(elem_classes=f"try {kind}"):
        for file in files:
            icon = file if file.endswith(".jpg") else None
            button = gr.Button(title(file), size="sm", icon=icon, min_width=60)
            button.click(lambda file=file: file, None, target, **AT_ONCE)


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
    heading(
        "1 · Portrait",
        "Which photo",
        "One person from the front, sharp, evenly lit, the face some 250 pixels high or more. Glasses, hats and beards "
        "are fine; hands before the face are not. JPEG, PNG, WebP, HEIC or AVIF.",
        "A group picture works as well: you then click who is meant.",
    )
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
    clicks = click_part()
    gallery, album = photo_gallery()
    with gr.Accordion("More settings", open=False):
        found = [status(name) for name in NAMES]
        explained("How the depth of the head is guessed", "Depth", *_about_depth(found))
        choices = [(describe(entry), entry.name) for entry in found if entry.ready]
        depth = gr.Dropdown(choices, value=MESH, label="Depth of the portrait", show_label=False, elem_id="depth")
        explained(
            "A head learned from a film of the person, instead of a photo",
            "A learned head",
            "The tab Learn, or the command `python -m mggtalk adapt`, learns a person from a film and writes one file "
            "(.safetensors), 10 MB at most. It brings its own portrait.",
        )
        adapter = gr.File(label="File of a learned head", type="filepath", height=130, elem_id="adapter")
        badge = gr.Checkbox(
            value=True, label="Show the “AI-made” badge in the picture", container=False, elem_id="badge"
        )
        statement = gr.Textbox(
            label="To leave it out, type this statement",
            info=NO_BADGE_STATEMENT,
            placeholder="I declare …",
            visible=False,
            max_length=120,
            elem_id="statement",
        )
    column = Column(portrait, face, depth, badge, statement)
    _wire(studio, column, card, faces, preview, clicks)
    _wire_adapter(studio, adapter, portrait, card)
    _wire_photos(studio, column, gallery, album, preview, Looks(studio, clicks))
    return column


def _about_depth(found: list[Status]) -> list[Entry | str]:
    """Explain the list, and how those who run the server get more into it."""
    missing = [(CATALOGUE[entry.name].about, f"`{entry.missing}`") for entry in found if not entry.ready]
    fetch = ["Others are not on this server. Whoever runs it gets them with these commands:"] if missing else []
    return ["The first one is quick and always there.", *fetch, *missing]


def _wire_adapter(studio: Studio, adapter: gr.File, portrait: gr.Image, card: gr.HTML) -> None:
    """An adapter that is uploaded brings its own portrait."""

    @answered(lambda message: (gr.skip(), message))
    def adopt(path: str | None, request: gr.Request) -> tuple[Any, Any]:
        return studio.adopt(path, request), gr.skip()

    def let_go(request: gr.Request) -> None:
        studio.adopt(None, request)

    adapter.upload(adopt, adapter, [portrait, card], show_progress_on=card, **STILL)
    adapter.clear(let_go, None, portrait, **STILL)


def _wire_photos(
    studio: Studio, column: Column, gallery: gr.Gallery, album: gr.HTML, preview: gr.Image, looks: Looks
) -> None:
    """Further photos are looked at when they come or go, and the preview shows the head with them."""
    albums = Albums(studio)

    def show(path: str | None, number: int | None, name: str, request: gr.Request) -> Any:
        return looks.show(path, number, name, (), request)

    for event in (gallery.upload, gallery.delete):
        gathered = event(albums.gather, [column.portrait, gallery], [gallery, album], show_progress_on=album, **STILL)
        gathered.then(show, column.who, preview, **STILL)
    column.portrait.change(albums.let_go, None, [gallery, album], show_progress="hidden", **STILL)


class Looks:
    """The page's answers to a portrait that was chosen.

    Args:
        studio: Does the work.
        clicks: Where a face is clicked.
    """

    def __init__(self, studio: Studio, clicks: Clicks) -> None:
        self._studio, self._clicks = studio, clicks

    def look(self, path: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Check a new portrait; a face that is not found may be clicked."""
        hidden = gr.Image(visible=False, value=None), gr.Radio([], value=None, visible=False), ()
        if path is None:
            return (START, *hidden, *self._clicks.reset(visible=False))
        try:
            check, framed = self._studio.check(path, request)
            self._studio.place(path, (), request)
        except Exception as error:  # noqa: BLE001  it is logged, and told
            return (apologise(error), *hidden[:2], None, *self._clicks.reset(visible=False))
        clicks = self._clicks.reset(visible=not check.boxes)
        if len(check.boxes) < 2:
            places = () if check.boxes else None
            return (portrait_card(check), *hidden[:2], places, *clicks)
        names = [(f"Face {number + 1}", number) for number in range(len(check.boxes))]
        radio = gr.Radio(names, value=None, visible=True)
        return portrait_card(check), gr.Image(framed.picture, visible=True), radio, framed.boxes, *clicks

    @answered(lambda message: (message, gr.skip()))
    def look_at(self, path: str | None, number: int | None, request: gr.Request) -> tuple[Any, Any]:
        """Check the face that was chosen."""
        if path is None or number is None:
            return gr.skip(), gr.skip()
        check, framed = self._studio.check(path, request, int(number))
        return portrait_card(check), framed.picture

    @answered(lambda _: gr.Image(None, visible=False))  # the card says why
    def show(
        self, path: str | None, number: int | None, name: str, places: tuple[Any, ...] | None, request: gr.Request
    ) -> Any:
        """One frame of the avatar; nothing while the face is not found or not chosen."""
        if path is None or places is None or (places and number is None):
            return gr.Image(None, visible=False)
        return gr.Image(self._studio.still(named(path, number, name), PREVIEW, 384, request), visible=True)


def face_under(places: tuple[tuple[float, ...], ...], event: gr.SelectData) -> Any:
    """The face under the pointer."""
    x, y = event.index
    inside = [n for n, (x0, y0, x1, y1) in enumerate(places) if x0 <= x <= x1 and y0 <= y <= y1]
    return inside[0] if inside else gr.skip()


def _wire(studio: Studio, column: Column, card: gr.HTML, faces: gr.Image, preview: gr.Image, clicks: Clicks) -> None:
    """Check and preview follow the portrait; a click or the radio chooses among faces, or clicks place one."""
    portrait, face, depth, badge, statement = column.portrait, column.face, column.depth, column.badge, column.statement
    boxes = gr.State(())
    shown = [card, faces, face, boxes, clicks.part, *clicks.outputs]

    looks = Looks(studio, clicks)
    inputs = [portrait, face, depth, boxes]
    looked = portrait.change(looks.look, portrait, shown, show_progress_on=card, **STILL)
    looked.then(looks.show, inputs, preview, **STILL)
    faces.select(face_under, boxes, face, **STILL)
    chosen = face.change(looks.look_at, [portrait, face], [card, faces], show_progress="hidden", **STILL)
    chosen.then(looks.show, inputs, preview, **STILL)
    depth.change(looks.show, inputs, preview, **STILL)

    def placed(path: str | None, number: int | None, name: str, points: tuple[Any, ...], request: gr.Request) -> Any:
        return looks.show(path, number, name, () if len(points) >= LEAST else None, request)

    for event in wire_clicks(studio, clicks, portrait):
        event.then(placed, [*column.who, clicks.clicked], preview, **STILL)
    badge.change(lambda shown: gr.Textbox(visible=not shown), badge, statement, **AT_ONCE)
