"""More photos of the same person: a gallery, and under each photo what it adds."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.answers import answered
from demo.help import explained
from demo.report import album_card
from demo.studio import Studio
from mggtalk.media.several import MOST_PHOTOS

ABOUT = f"Up to {MOST_PHOTOS - 1}: an open mouth with teeth, shut eyes, the head turned."

HOW = (
    "They are shown where the head is like them: teeth of the one with an open mouth, lids of the one with shut eyes, "
    "the side of the one that is turned. Hair, shoulders and background stay those of the portrait above."
)

Photos = list[tuple[str, str | None]] | None
"""Content of the gallery: paths and captions."""


def photo_gallery() -> tuple[gr.Gallery, gr.HTML]:
    """Lay out the gallery and the card under it."""
    with gr.Accordion("More photos of the same person", open=False, elem_id="more"):
        explained(ABOUT, "More photos", HOW)
        gallery = gr.Gallery(
            label="More photos",
            show_label=False,
            type="filepath",
            file_types=["image"],
            sources=["upload"],
            interactive=True,
            columns=3,
            height=170,
            buttons=[],
            elem_id="photos",
        )
        card = gr.HTML(elem_id="album")
    return gallery, card


class Albums:
    """The page's answers to further photos.

    Args:
        studio: Does the work.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    @answered(lambda message: (gr.skip(), message))
    def gather(self, portrait: str | None, photos: Photos, request: gr.Request) -> tuple[Any, str]:
        """Look at the photos: captions, and a card that says what each adds."""
        paths = [path for path, _ in photos or ()]
        album = self._studio.gather(portrait, paths, request)
        if album is None:
            return gr.skip(), ""
        captions = [remark.text.partition(":")[0] for remark in album.remarks[1:]]
        return list(zip(paths, captions)), album_card(album)

    def let_go(self, request: gr.Request) -> tuple[Any, str]:
        """Another portrait: its photos are others as well."""
        self._studio.gather(None, [], request)
        return gr.Gallery(value=None), ""
