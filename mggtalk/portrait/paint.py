"""``paint``: what the portrait does not show and the avatar needs: inside of the mouth, folds, back of the head."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mggtalk.avatar.binding import Part
from mggtalk.avatar.folds import Folds
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS, MouthSheet
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.turning import soft_opacity
from mggtalk.dsgr.back import STRIDE, back_cloud, keep_under, points_between
from mggtalk.face.masks import SIDE_LEVEL
from mggtalk.face.skin import like_skin
from mggtalk.geometry import camera_to_head, head_to_camera, unproject
from mggtalk.nets.maps import dilate, step
from mggtalk.portrait.find_folds import MapView, find_folds
from mggtalk.portrait.hair import HANGING
from mggtalk.portrait.paint_eyes import paint_eyes
from mggtalk.portrait.shape import HeadShape
from mggtalk.portrait.view import PortraitView
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import Gaussians
from mggtalk.sgp.footprint import footprint, scales_and_rotation
from mggtalk.sgp.mouth.decoder import CAVITY, TEETH_EDGE, sheet_points, under_the_lip
from mggtalk.sgp.parameters import GaussianParameters, concatenate

EYE_LEVEL = -0.12
"""Face heights from the middle of the face to just above the eyes (down is positive)."""

NAPE_LEVEL = 0.22
"""Face heights from the middle of the face down to where the back of the head becomes neck."""

SKIN, LEAST_HAIR = 0.75, 0.2
"""Likeness from which on the crown is skin, and part of it that is not where there is hair, which then colours the back
of the head alone."""

NAPE = (0.06, 0.2)
"""Face heights above the rim of the jaw over which the back of the head begins, and the second over its lower end."""

SPREAD = 0.8
"""Standard deviation of a Gaussian of the back over the distance to its neighbour."""

IN_FACE = 0.9
"""Share of the face model's motion from which on a point is in the face."""

LIPS_MIDDLE = (13, 14)
"""Middle of the upper and the lower inner lip."""


def paint_back(view: PortraitView, shape: HeadShape) -> tuple[Gaussians, Tensor]:
    """Close the back of the head with Gaussians, and lids that are shut with eyeballs behind them.

    Returns:
        B Gaussians over a torso, and their opacities ``[B]`` where no torso is drawn: long hair at the back is its.
    """
    front = head_to_camera(shape.cloud.flatten(1).T, view.rotation, view.translation)[:, 2].view(view.head.shape)
    face = torch.from_numpy(view.raster.triangle >= 0)
    ring = view.camera.map_size // 16
    outside = dilate(1.0 - view.head[None, None], ring)[0, 0]
    crown = ~face & (view.height < EYE_LEVEL) & (outside > 0.5)  # [H, W]
    hair = crown & (like_skin(shape.colour, view.skin) < SKIN) & (view.head > 0.9)
    crown = hair if float(hair.sum()) > LEAST_HAIR * float(crown.sum()) else crown
    above = (view.rim < -NAPE[0]) & (view.height < NAPE_LEVEL)
    silhouette = float(view.skull[2])
    depth, spread, keep = back_cloud(front, shape.colour, view.head, crown, above, silhouette)
    grid = view.grid[::STRIDE, ::STRIDE]
    points = unproject(grid, depth, view.camera.focal, view.camera.centre)[keep]  # [B, 3]
    points = camera_to_head(points, view.rotation, view.translation)
    face = shape.cloud[:, shape.mask].T[shape.binding.weights.sum(-1) > IN_FACE]
    cover = torch.cat([face, shape.half.points])  # the rim of a dome behind a profile is in front of the far half
    points = keep_under(points, cover, camera_to_head(view.skull[None], view.rotation, view.translation)[0])
    spacing, neighbours = STRIDE * view.pixel_size, Neighbours.of(keep)
    surface = footprint(points, neighbours, spacing, most=3.0)
    log_scales, quaternions = scales_and_rotation(surface, spread=SPREAD)
    # No edge where hair and neck go on.
    end = step(-view.rim, *NAPE) * step(NAPE_LEVEL - view.height, 0.0, NAPE[1])  # [H, W]
    over = end
    if bool((view.hair > 0.5).any()):  # below, long hair is seen, which is the torso's
        over = end * step(SIDE_LEVEL - view.height, 0.5 * HANGING, 0.8 * HANGING)
    alone, logits = (torch.logit(soft_opacity(ends[::STRIDE, ::STRIDE][keep]), eps=1e-3) for ends in (end, over))
    harmonics = harmonics_from_colour(spread[:, keep].T)
    dome = GaussianParameters(log_scales, quaternions, harmonics, logits)
    # Where neighbours are far apart, at the rim, round ones between them.
    first, second, share = points_between(points, (neighbours.right, neighbours.down), 2.0 * spacing)
    share = share[:, None]
    points = torch.cat([points, torch.lerp(points[first], points[second], share)])
    flat = torch.lerp(dome.flatten()[first], dome.flatten()[second], share)
    flat[:, :3] = math.log(SPREAD * spacing)
    back = dome.followed_by(GaussianParameters.of(flat)).activate(points)
    alone = torch.cat([alone, torch.lerp(alone[first], alone[second], share[:, 0])]).sigmoid()
    eyes = paint_eyes(view)
    return (back, alone) if eyes is None else (concatenate([back, eyes]), torch.cat([alone, eyes.opacities]))


def paint_mouth(view: PortraitView, colour: Tensor, part: Tensor) -> MouthSheet:
    """Colour the inside of the mouth from the lips, the whites of the eyes and what the portrait shows.

    Args:
        view: The portrait.
        colour: RGB of the N points, ``[N, 3]``.
        part: What each of them belongs to, ``[N]``.
    """
    lips = view.colours_at(view.vertices[[0, 17, 13, 14, 82, 312, 87, 317]]).mean(0)
    eyes = colour[(part == Part.RIGHT_EYE) | (part == Part.LEFT_EYE)]
    skin = view.colours_at(view.vertices[[50, 280, 151, 199]])
    white = 1.1 * skin.mean()
    if len(eyes):  # none are seen where both eyes are shut or covered
        white = torch.maximum(eyes.mean(1).quantile(0.85), white)
    neutral = view.face_model.vertices(view.fit.identity, torch.zeros_like(view.expression))
    places, gap = sheet_points(view.vertices)
    colour, apart = under_the_lip(view.colours_at(places), gap)
    middle = places[:, 1].view(ROWS, COLUMNS)[ROWS // 2, COLUMNS // 2]
    return MouthSheet(
        colour=colour,
        known=apart,
        cavity=lips * torch.tensor(CAVITY),
        teeth=(0.92 * white * torch.tensor((1.0, 0.96, 0.90))).clamp(0, 0.95),
        edge=torch.minimum(neutral[LIPS_MIDDLE[0], 1] - TEETH_EDGE, middle),
        closed_gap=torch.tensor(0.015),
    )


def paint_folds(view: PortraitView, shape: HeadShape) -> Folds:
    """Guess what the portrait's closed lips, the rims of open ones and open eyes hide."""
    pixels = torch.from_numpy(view.pixels)  # [V, 2]
    part = shape.binding.part
    skin, mouth = part == Part.SKIN, part >= Part.UPPER_MOUTH
    return find_folds(MapView(shape.colour, shape.mask, skin, mouth, pixels, view.vertices, view.pixel_size))
