"""More photos of the same person on the page: what is said of each, and that the avatar is made of them."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
import skimage.data
from PIL import Image

from demo.album import Albums
from demo.film import Portrait, find_avatar
from demo.studio import Studio
from mggtalk.runtime.progress import no_progress

PEOPLE = Path(__file__).parents[2] / "examples" / "portraits"
WHO = gr.Request(session_hash="somebody with an album")


@pytest.fixture(scope="module")
def studio(pipeline):
    return Studio(pipeline)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """The astronaut, the same a little darker and smaller, and somebody else."""
    folder = tmp_path_factory.mktemp("photos")
    picture = Image.fromarray(skimage.data.astronaut())
    picture.save(folder / "main.png")
    picture.resize((410, 410)).point(lambda value: int(0.85 * value)).save(folder / "again.png")
    return str(folder / "main.png"), str(folder / "again.png"), str(PEOPLE / "kofi.jpg")


def test_captions_and_card_say_what_each_photo_adds(studio, photos):
    main, again, other = photos
    content, card = Albums(studio).gather(main, [(again, None), (other, None)], WHO)
    assert content == [(again, "adds little"), (other, "left out")]
    assert card.count("<li") == 3 and "the main photo" in card and "main.png" in card


def test_the_avatar_is_made_of_all_photos_and_of_one_after_they_are_let_go(studio, photos, monkeypatch):
    main, again, _ = photos
    made = []
    monkeypatch.setattr(studio.engine, "prepare", lambda paths, *_: made.append(paths) or object())

    def avatar():
        visitor = studio.visitors.of(WHO)
        return find_avatar(studio.engine, studio.visitors, visitor, Portrait(main, None, "mesh"), no_progress)

    studio.gather(main, [again], WHO)
    assert avatar() is avatar() and made == [[main, again]]
    Albums(studio).let_go(WHO)
    avatar()
    assert made == [[main, again], [main]]


@pytest.mark.parametrize("count", [2, 8])
def test_what_cannot_be_used_is_said_and_forgotten(studio, photos, count):
    main, _, other = photos
    more = [(other, None)] * (1 if count == 2 else 8)
    _, card = Albums(studio).gather(main, more, WHO)
    assert ("No two of the 2" if count == 2 else "9 photos") in card
    assert not studio.visitors.of(WHO).photos
    assert Albums(studio).gather(None, more[:1], WHO)[1].count("main photo first")
