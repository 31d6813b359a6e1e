"""From an adapter's file to an avatar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch.nn import functional as F

from mggtalk.avatar import adapter_file
from mggtalk.avatar.adapter_file import AGAIN, AdapterFile, check_adapter, read_package
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.errors import MediaError
from mggtalk.inpaint.plates import Plates
from mggtalk.nets.maps import dilate, to_float
from mggtalk.person.talking_gaussian import field_file
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress

REACH = 4
"""Pixels around the torso over which a seen background fades in."""


def open_adapter(pipe: MGGTalkPipeline, path: str | Path) -> AdapterFile:
    """Read a file and see whether it fits this pipeline; nothing is prepared.

    Raises:
        MediaError: If it is no adapter, or one of another face model or other maps.
    """
    package = read_package(path, (adapter_file.FORMAT, field_file.FORMAT), field_file.MOST_MEGABYTES)
    side = pipe.config.dsgr.map_size
    if package.format == field_file.FORMAT:
        file = field_file.check_field(path, package, side)
    else:
        file = check_adapter(path, package, side, len(pipe.face_model.mean), (ROWS, COLUMNS))
    if file.facts.face_model != pipe.face_model.version:
        problem = f"{str(path)!r} was learned with face model {file.facts.face_model!r:.60}"
        raise MediaError(f"{problem}, this pipeline has {pipe.face_model.version!r}.", AGAIN)
    return file


def load_adapter(pipe: MGGTalkPipeline, path: str | Path, on_progress: Progress = no_progress) -> Avatar:
    """Make the avatar of an adapter that :func:`mggtalk.person.adapt.adapt` learned from a clip.

    Args:
        pipe: Prepares the portrait that the file holds.
        path: The file.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        The avatar, used like that of :meth:`mggtalk.pipeline.MGGTalkPipeline.prepare`.

    Raises:
        MediaError: If the file cannot be read or is no adapter of this version.
    """
    file = open_adapter(pipe, path)
    avatar = put_together(pipe, file.portrait, file.background, on_progress)
    voice, config = file.voice, pipe.lip_prior()[0].config
    fits = voice is not None and voice.fits(config)
    notes = [*avatar.notes, f"The avatar was learned from a clip of {file.facts.seconds:.0f} s."]
    if file.facts.trained != pipe.trained:
        learned = "trained weights" if file.facts.trained else "the prior"
        notes.append(f"The adapter was learned on top of {learned}; with other weights it fits less well.")
    if voice is not None and not fits:
        notes.append("The voice of the adapter was learned for another audio prior: the average one is used.")
    own = voice.voice if voice is not None and fits else None
    return avatar.with_(adapter=file.adapter, notes=tuple(notes), voice=own)


def put_together(
    pipe: MGGTalkPipeline, portrait: np.ndarray, background: np.ndarray | None, on_progress: Progress = no_progress
) -> Avatar:
    """The avatar that an adapter belongs to, without the adapter.

    Args:
        pipe: Prepares it.
        portrait: uint8 ``[S, S, 3]``.
        background: uint8 ``[S, S, 3]``, what stands behind the person, if it is known.
        on_progress: Called with stage, steps done and steps in all.
    """
    avatar = pipe.prepare(portrait, crop="none", on_progress=on_progress, depth="mesh")
    if background is None:
        return avatar
    return avatar.with_(plates=with_background(avatar.plates, background))


def with_background(plates: Plates, background: np.ndarray) -> Plates:
    """Plates with what other frames saw behind the person, uint8 ``[S, S, 3]``."""
    seen = to_float(background)  # [3, S, S]
    # Under the torso's soft edge the plate's own background makes up for what the matte is unsure of: it stays.
    bare = dilate((plates.torso[None, 3:] > 0).float(), REACH)
    bare = 1.0 - F.avg_pool2d(bare, 2 * REACH + 1, stride=1, padding=REACH)[0]  # [1, S, S]
    return plates._replace(background=plates.background + bare * (seen - plates.background))
