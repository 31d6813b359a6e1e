"""Why a portrait comes out as it does: what was measured in it, what was mirrored, and what is only guessed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.geometry import euler_to_rotation, head_to_camera, nearest_rotation
from mggtalk.motion.edit import Edit, edit_frame
from mggtalk.nets.maps import to_bytes
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import harmonics_from_colour
from mggtalk.render.constants import SH_0
from mggtalk.scene import MotionFrame

SEEN, MIRRORED, GUESSED = (0.25, 0.72, 0.42), (0.95, 0.62, 0.18), (0.80, 0.28, 0.52)
"""Colours of what the photo shows, of what is mirrored, and of what is invented."""

TINTS = {"seen": SEEN, "mirrored": MIRRORED, "back": GUESSED, "mouth": GUESSED}
"""Colours by the names of :class:`Counts`."""

KEPT, DROPPED, PLAIN = (0.95, 0.62, 0.18), (0.32, 0.42, 0.85), (0.30, 0.31, 0.34)
"""Colours of the mirrored half: kept, dropped by the filter, and not asked for."""

SIDE_VIEW = 40.0
"""Degrees of yaw in the picture of what is seen and what is guessed."""


class Counts(NamedTuple):
    """Gaussians of a portrait by where they come from."""

    seen: int  # points of the photo and their children
    mirrored: int  # points of the mirrored half and their children
    back: int  # the closed back of the head
    mouth: int  # the inside of the mouth
    dropped: int  # mirrored points that the filter left out

    @property
    def total(self) -> int:
        """All Gaussians that are drawn."""
        return self.seen + self.mirrored + self.back + self.mouth


class Explanation(NamedTuple):
    """Pictures, uint8 RGB, and counts."""

    depth: np.ndarray  # [H, W, 3] near is bright
    normals: np.ndarray  # [H, W, 3] x right, y up, z to the viewer as red, green, blue
    mirrored: np.ndarray  # [H, W, 3] whose mirror images are kept, and whose the filter dropped
    origin: np.ndarray  # [S, S, 3] the head from the side, coloured by where each Gaussian comes from
    counts: Counts


def explain(pipe: MGGTalkPipeline, avatar: Avatar, size: int = 256) -> Explanation:
    """Show how an avatar was made.

    Args:
        pipe: Which made it.
        avatar: The portrait.
        size: Side of the picture from the side.

    Returns:
        Pictures on the position map, a view from the side, and counts.
    """
    in_camera = head_to_camera(avatar.points, avatar.rotation, avatar.translation)
    origin, counts = _origin(pipe, avatar, size)
    return Explanation(
        depth=_depth(avatar, in_camera[:, 2]),
        normals=_normals(avatar, in_camera),
        mirrored=_mirrored(avatar),
        origin=origin,
        counts=counts,
    )


def _on_map(avatar: Avatar, colours: Tensor, ground: float = 0.08) -> np.ndarray:
    """Colours of the visible points ``[N, 3]`` on a dark map, uint8 ``[H, W, 3]``."""
    shown = avatar.mask.float() * (1.0 - ground)
    picture = avatar.position_map(colours) * shown + ground  # [3, H, W]
    return to_bytes(picture).numpy()


def _depth(avatar: Avatar, depth: Tensor) -> np.ndarray:
    """Near is bright; a percent of the points at each end is clipped."""
    low, high = torch.quantile(depth, torch.tensor([0.01, 0.99]))
    near = 1.0 - ((depth - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)  # [N]
    return _on_map(avatar, (0.1 + 0.9 * near)[:, None].expand(-1, 3))


def _normals(avatar: Avatar, points: Tensor) -> np.ndarray:
    """Normals of the surface by differences of neighbouring points ``[N, 3]``."""
    grid = avatar.position_map(points)  # [3, H, W]
    across = torch.gradient(grid, dim=2)[0]
    down = torch.gradient(grid, dim=1)[0]
    normal = torch.linalg.cross(down, across, dim=0) * torch.tensor((-1.0, 1.0, 1.0))[:, None, None]
    normal = torch.nn.functional.normalize(normal, dim=0)
    normal = torch.where(normal[2:] < 0, -normal, normal)  # to the viewer
    return _on_map(avatar, avatar.from_map(0.5 + 0.5 * normal))


def _mirrored(avatar: Avatar) -> np.ndarray:
    """Kept and dropped twins on the photo's own points."""
    colours = torch.tensor(PLAIN).repeat(len(avatar.points), 1)
    colours[avatar.opacity > 0.9] = torch.tensor(DROPPED)
    colours[avatar.mirrored] = torch.tensor(KEPT)
    shade = 0.45 + 0.55 * avatar.colour.mean(-1, keepdim=True).clamp(0, 1)
    return _on_map(avatar, colours * shade)


def origins(avatar: Avatar, count: int) -> list[tuple[str, int]]:
    """Origins of the Gaussians of a set: runs of one origin, in their order, as :class:`Counts` names them.

    Args:
        avatar: Whose set.
        count: Gaussians in it: with children or without, with the inside of the mouth or, where lips hide it, without.

    Raises:
        ValueError: If no set of this avatar has so many.
    """
    points = [("seen", len(avatar.points)), ("mirrored", len(avatar.mirrored))]
    back, mouth = ("back", len(avatar.back.means)), ("mouth", len(avatar.mouth.colour))
    for runs in ([*points, back], [*points, back, mouth], [*points, *points, back], [*points, *points, back, mouth]):
        if sum(length for _, length in runs) == count:
            return runs
    raise ValueError(f"a set of {count} Gaussians is none of this avatar's")


@torch.inference_mode()
def _origin(pipe: MGGTalkPipeline, avatar: Avatar, size: int) -> tuple[np.ndarray, Counts]:
    """The head from its guessed side, each Gaussian in the colour of its origin, and the counts."""
    animator = pipe.animator(avatar, size)
    splats = pipe.splat(avatar, MotionFrame(*(part.to(animator.device) for part in avatar.source)))
    groups = origins(avatar, len(splats.means))
    tint = torch.cat([torch.tensor(TINTS[origin]).expand(count, 3) for origin, count in groups])
    own = (0.5 + SH_0 * splats.harmonics[:, 0].cpu()).mean(-1, keepdim=True).clamp(0, 1)  # [N, 1]
    coloured = splats._replace(harmonics=harmonics_from_colour(tint * (0.35 + 0.65 * own)).to(splats.means))
    # Look at the side that the photo shows less of.
    yaw = SIDE_VIEW if float((avatar.rotation @ torch.tensor((0.0, 0.0, 1.0)))[0]) >= 0 else -SIDE_VIEW
    frame = edit_frame(avatar, Edit(yaw=yaw), pipe.face_model)
    image = animator.render(coloured, MotionFrame(*(part.to(animator.device) for part in frame)))
    picture = to_bytes(image).cpu().numpy()
    candidates = int((avatar.opacity > 0.9).sum())
    total = {origin: sum(count for name, count in groups if name == origin) for origin in TINTS}
    counts = Counts(**total, dropped=max(0, candidates - len(avatar.mirrored)))
    return picture, counts


def facing(avatar: Avatar, frame: MotionFrame, yaw: float) -> MotionFrame:
    """A frame's expression on a head that is turned by a yaw in degrees, at the portrait's place."""
    angles = torch.tensor([0.0, float(np.radians(yaw)), 0.0])
    return MotionFrame(frame.expression, nearest_rotation(euler_to_rotation(angles)), avatar.translation)
