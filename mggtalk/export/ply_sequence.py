"""An animated head as numbered ``.ply`` files, one for each frame, for programs that play such sequences."""

from __future__ import annotations

from pathlib import Path

import torch

from mggtalk.animate.animator import Animator
from mggtalk.errors import OptionError
from mggtalk.media.files import PathLike, check_writable
from mggtalk.render.transform import transform_gaussians
from mggtalk.runtime.files import whole_file
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion

MOST_FRAMES = 250
"""Frames of a sequence, at most: each has 4 MB."""


def write_sequence(
    animator: Animator, motion: Motion, path: PathLike, on_progress: Progress = no_progress
) -> list[Path]:
    """Write ``NAME_0000.ply``, ``NAME_0001.ply``, ...: the head as it turns and speaks, relative to the camera.

    Args:
        animator: Of the avatar.
        motion: Already put on the avatar.
        path: ``NAME.ply``.
        on_progress: Called with stage, frames done and frames in all.

    Returns:
        The files.

    Raises:
        MediaError: If they cannot be written.
        OptionError: If the motion is too long.
    """
    target = check_writable(path, (".ply",))
    if len(motion) > MOST_FRAMES:
        problem = f"The motion has {len(motion)} frames, {4e-3 * len(motion):.1f} GB of splats."
        raise OptionError(problem, f"Give one of {MOST_FRAMES} or fewer.")
    written: list[Path] = []
    for index, frame in enumerate(motion):
        with torch.inference_mode():
            splats = transform_gaussians(animator.fast_splats(frame.expression, frame), frame.rotation)
            shift = frame.translation - animator.avatar.translation
            moved = splats._replace(means=splats.means + shift * torch.tensor([1.0, -1.0, -1.0]))
        place = target.with_name(f"{target.stem}_{index:04d}.ply")
        with whole_file(place) as partial:
            moved.save_ply(str(partial))
        written.append(place)
        on_progress("splats", index + 1, len(motion))
    return written
