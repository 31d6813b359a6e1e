"""Which shots of a clip show the person who is learned: a film that was cut may show somebody else in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mggtalk.errors import OptionError
from mggtalk.face.crop import choose_crop
from mggtalk.face.cuts import shots
from mggtalk.media import open_video
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.portrait.same_person import find_person
from mggtalk.scene import FaceTrack, Motion

LISTED = 8
"""Cuts that are named, at most."""


def own_shots(pipe: MGGTalkPipeline, path: str | Path, motion: Motion) -> tuple[np.ndarray, tuple[str, ...]]:
    """Find the shots that show whom the longest one shows.

    Args:
        pipe: Whose face model compares them.
        path: The clip.
        motion: As it was tracked.

    Returns:
        Frames ``[T]`` bool, and what the user should know.
    """
    own = np.ones(len(motion), bool)
    if not motion.cuts:
        return own, ()
    assert motion.found is not None
    found = motion.found.numpy()
    spans = sorted(shots(motion.cuts, len(motion)), key=lambda span: -int(found[slice(*span)].sum()))
    spans = [span for span in spans if found[slice(*span)].any()]
    typical = [_typical_frame(motion, *span) for span in spans]
    group = _agree(pipe, _looks(pipe, path, motion, typical))
    for index, (start, end) in enumerate(spans):
        own[start:end] = index in group
    places = ", ".join(f"{cut / motion.fps:.1f}" for cut in motion.cuts[:LISTED])
    more = ", ..." if len(motion.cuts) > LISTED else ""
    left = (~own).sum() / motion.fps
    what = f"{left:.1f} s that seem to show somebody else are left out" if left else "all of it shows one person"
    return own, (f"The clip is cut at {places}{more} s; {what}.",)


def _typical_frame(motion: Motion, start: int, end: int) -> int:
    """The seen frame of a shot whose expression is nearest to the shot's mean."""
    assert motion.found is not None
    seen = start + motion.found[start:end].nonzero().squeeze(-1)  # [n]
    expression = motion.expression[seen]  # [n, K]
    return int(seen[(expression - expression.mean(0)).norm(dim=-1).argmin()])


def _looks(
    pipe: MGGTalkPipeline, path: str | Path, motion: Motion, frames: list[int]
) -> list[tuple[np.ndarray, FaceTrack]]:
    """Squares around the face in some frames, uint8 ``[S, S, 3]``, and their tracks."""
    assert motion.landmarks is not None and motion.frame_size is not None
    width, height = motion.frame_size
    looks = {}
    with open_video(path, pipe.config.media) as reader:
        for index, frame in enumerate(reader):
            if index in frames:
                landmarks = motion.landmarks[index].float().numpy()
                square = choose_crop(landmarks, width, height, "auto")
                seen = (landmarks[None], np.zeros((1, 52), np.float32), np.ones(1, bool))
                track = square.track(FaceTrack(*seen, motion.fps, width, height), PORTRAIT_SIZE)
                looks[index] = square.cut(frame, PORTRAIT_SIZE), track
            if index >= max(frames):
                break
    return [looks[frame] for frame in frames]


def _agree(pipe: MGGTalkPipeline, looks: list[tuple[np.ndarray, FaceTrack]]) -> list[int]:
    """Which of several looks show whom the first one shows."""
    if len(looks) < 2:
        return [0]
    try:
        group = find_person(looks, pipe.face_model, pipe.config.render.focal_ratio)
    except OptionError:  # no two agree
        return [0]
    return group if 0 in group else [0]
