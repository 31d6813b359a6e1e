"""A whole picture in motion on the page: the portrait's head moves in its place."""

from __future__ import annotations

from typing import NamedTuple

from demo.engine import Engine
from mggtalk.avatar.avatar import Avatar
from mggtalk.motion.style import Style
from mggtalk.performance import Performance
from mggtalk.photo.people import Photo, Sitter, open_photo, prepare_sitter
from mggtalk.photo.video import PhotoVideo, Role, animate_photo
from mggtalk.runtime.progress import Progress

LONGEST = 1280
"""Longer side of a whole picture on the page, pixels; the command line makes larger ones."""


class Sitting(NamedTuple):
    """A photo and the person in it that moves."""

    photo: Photo
    sitter: Sitter

    @property
    def avatar(self) -> Avatar:
        """Of the person, with the notes on the photo."""
        avatar = self.sitter.avatar
        return avatar.with_(notes=(*self.photo.notes, *avatar.notes))

    def play(self, engine: Engine, performance: Performance, style: Style) -> PhotoVideo:
        """Let the person move."""
        role = Role(performance.motion, performance.sound)
        return animate_photo(engine.pipe, self.photo, {0: self.sitter}, {0: role}, style)


def sit(engine: Engine, path: str, face: int | None, depth: str, on_progress: Progress) -> Sitting:
    """Open a photo and make the avatar of one person in it.

    Args:
        engine: Does the work.
        path: Of the photo.
        face: From left to right, from 0; None for the only one.
        depth: The depth estimator.
        on_progress: Called with stage, steps done and steps in all.
    """
    photo = open_photo(engine.pipe, path, LONGEST)
    return Sitting(photo, prepare_sitter(engine.pipe, photo, face, on_progress, depth))
