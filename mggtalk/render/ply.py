"""Gaussians to and from splat files, see :mod:`mggtalk.media.ply`."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from mggtalk.media.ply import VIEWER_ROTATION, read_ply, write_ply
from mggtalk.scene import Gaussians


def save_ply(
    gaussians: Gaussians, path: str | PathLike[str], rotation: Sequence[Sequence[float]] = VIEWER_ROTATION
) -> None:
    """Write Gaussians to a ``.ply`` file, see :func:`mggtalk.media.ply.write_ply`."""
    write_ply(gaussians, path, rotation)


def load_ply(path: str | PathLike[str], rotation: Sequence[Sequence[float]] = VIEWER_ROTATION) -> Gaussians:
    """Read Gaussians in the head frame, see :func:`mggtalk.media.ply.read_ply`."""
    return Gaussians(*read_ply(path, rotation))
