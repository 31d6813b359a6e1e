"""The commands ``reenact`` and ``talk`` with ``--frame whole``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mggtalk.cli.checks import makes_still
from mggtalk.media import save_image
from mggtalk.media.writers import film_notes
from mggtalk.motion.style import Style
from mggtalk.performance import Performance, from_motion_file, from_speech, from_video
from mggtalk.photo.parts import Part, read_parts
from mggtalk.photo.people import open_photo, prepare_sitter
from mggtalk.photo.video import Role, animate_photo
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress

Drive = Callable[[MGGTalkPipeline, argparse.Namespace, Progress], Performance]
"""Makes the performance that the options of one driver name."""


def animate_whole(pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress, drive: Drive) -> list[str]:
    """Let one face or several move in the whole picture.

    Args:
        pipe: Makes the frames.
        options: Of the command line.
        on_progress: Called with stage, steps done and steps in all.
        drive: Makes the performance where there is one driver for one face.

    Returns:
        Notes, then the path.
    """
    photo = open_photo(pipe, options.portrait[0])
    drivers = vars(options).get("drive")
    parts = dict(enumerate(read_parts(drivers))) if drivers else {0: None}
    faces = {key: options.face if part is None else part.face for key, part in parts.items()}
    for face in faces.values():
        pipe.tracker.choose(photo.faces, face)  # told before any work
    sitters, roles, notes = {}, {}, list(photo.notes)
    for key, part in parts.items():
        sitter = prepare_sitter(pipe, photo, faces[key], on_progress, options.depth)
        one = drive(pipe, options, on_progress) if part is None else play_part(pipe, part)
        sitters[key] = sitter
        roles[key] = Role(one.motion, one.sound, 0.0 if part is None else part.start)
        whose = "" if part is None else f"Face {part.face}: "
        notes += [f"{whose}{note}" for note in (*sitter.avatar.notes, *one.motion.notes)]
    style = Style(regions=tuple(vars(options).get("regions", ("all",))), gaze=options.gaze)
    video = animate_photo(pipe, photo, sitters, roles, style, on_progress)
    written = Path(options.out)
    if makes_still(options):
        save_image(written, video.frame(len(video) - 1), options.no_badge)
    else:
        written = video.save(written, no_badge=options.no_badge)
    notes += film_notes(options.out, video.sound)
    return [*(f"note: {note}" for note in notes), str(written)]


def play_part(pipe: MGGTalkPipeline, part: Part) -> Performance:
    """The performance of one of several people."""
    if part.kind == "motion":
        return from_motion_file(pipe, part.file)
    if part.kind == "video":
        return from_video(pipe, part.file)
    manner = replace(pipe.config.speech, listener=part.listens)
    performance = from_speech(pipe, part.file, seed=part.face or 0, manner=manner)
    return performance._replace(sound=None) if part.listens else performance
