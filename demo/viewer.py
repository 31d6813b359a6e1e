"""Splats for the viewer on the page, which always starts at the same place."""

from __future__ import annotations

from pathlib import Path

import torch

from mggtalk.geometry import FLIP, euler_to_rotation
from mggtalk.render import save_ply
from mggtalk.scene import Gaussians

ORBIT = 0.5
"""Start of ``gr.Model3D``: so many radians to the right and up (it takes no camera position for splats)."""

SCALE = 0.5
"""Viewer units for a decimetre: the head fills most of the picture."""


def save_for_viewer(splats: Gaussians, path: str | Path) -> None:
    """Write splats so that ``gr.Model3D`` shows the face from the front, upright and as a whole.

    Args:
        splats: In the head frame, decimetres.
        path: The ``.ply`` to write.
    """
    middle = (splats.means.amin(0) + splats.means.amax(0)) / 2
    small = splats._replace(means=(splats.means - middle) * SCALE, scales=splats.scales * SCALE)
    turn = euler_to_rotation(torch.tensor([-ORBIT, -ORBIT, 0.0]))  # in the file's axes: y down, z away
    save_ply(small, str(path), rotation=(turn @ torch.diag(torch.tensor(FLIP))).tolist())
