"""Calibration of colours: an avatar seen as its portrait was gives the portrait back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.animate.animator import Animator
from mggtalk.animate.head import PortraitHead
from mggtalk.avatar.avatar import Avatar
from mggtalk.geometry import head_to_camera, project
from mggtalk.motion.deformation import drive_points
from mggtalk.nets.maps import erode, in_picture, to_colour_map
from mggtalk.scene import Gaussians


@torch.no_grad()
def calibrate_colours(animator: Animator, head: PortraitHead, portrait: Tensor, rounds: int = 3) -> Avatar:
    """Correct the points' colours so that the splats, seen as the portrait was, give the portrait back.

    Splatting blurs; each round renders the source view, and adds to every visible point the error at its place. The
    error is smoothed first: a pixel shows mostly the frontmost of several splats, not the one that lies in it, so that
    errors finer than a splat would be added with the wrong sign and grow.

    Args:
        animator: Renders the head at the portrait's size.
        head: Of an avatar with the portrait's own colours.
        portrait: ``[3, S, S]`` RGB in [0, 1].
        rounds: Corrections.

    Returns:
        The avatar with corrected colours of parents and children.
    """
    portrait = portrait.to(animator.device)
    avatar = animator.avatar
    size = portrait.shape[-1]
    driven = head.drive(avatar.source)
    own, child = avatar.colour, avatar.colour + avatar.colour_step
    count, places = len(avatar.points), _places(animator, driven.points)
    weight = _inside(avatar) * in_picture(places, size)[:, None]
    for _ in range(rounds):
        current = avatar.with_(colour=own, colour_step=child - own)
        splats = head.turn(head.sgp.dense(current, driven, head.features), avatar.source)
        error = smooth(portrait - _own_picture(animator, splats))  # [3, S, S]
        own = (own + weight * to_colour_map(error, places, size)).clamp(-0.2, 1.2)
        if head.sgp.densify.enabled:
            children = splats.means[count + len(avatar.mirrored) :][:count]
            child = (child + weight * to_colour_map(error, _places(animator, children), size)).clamp(-0.2, 1.2)
    return avatar.with_(colour=own, colour_step=child - own).to("cpu")


@torch.no_grad()
def calibrate_coarse(animator: Animator, head: PortraitHead) -> Tensor:
    """Correct the parents' colours for frames that show them without their children.

    One round of what :func:`calibrate_colours` does, on the position map: each point should show what the portrait has
    at its own pixel.

    Args:
        animator: Renders the head.
        head: Its avatar has colours that were calibrated together with the children's.

    Returns:
        Corrected colours of the parents ``[N, 3]``.
    """
    avatar, size = animator.avatar, animator.size
    driven = drive_points(avatar, avatar.vertices, avatar.expression)
    splats = head.turn(head.sgp.coarse(avatar, driven, head.features), avatar.source)
    places = _places(animator, driven.points)
    seen = to_colour_map(_own_picture(animator, splats), places, size)
    portrait = avatar.from_map(avatar.head_image[0])  # [N, 4] premultiplied RGB, alpha
    weight = _inside(avatar) * in_picture(places, size)[:, None]
    error = weight * (portrait[:, :3] / portrait[:, 3:].clamp(min=0.05) - seen)  # [N, 3]
    error = avatar.from_map(smooth(avatar.position_map(error)))
    return (avatar.colour + weight * error).clamp(-0.2, 1.2)


def _own_picture(animator: Animator, splats: Gaussians) -> Tensor:
    """The portrait's own frame ``[3, S, S]``, in which the image network's gate is closed: it need not run."""
    return animator.layers(splats, animator.avatar.source).composite[0]


def _inside(avatar: Avatar) -> Tensor:
    """Weigh how far each visible point lies inside the head, ``[N, 1]`` in [0, 1]; soft edges show the background."""
    inner = erode(avatar.position_map(avatar.opacity[:, None]), 2)  # [1, H, W] eroded
    return ((avatar.from_map(inner) - 0.8) / 0.19).clamp(0, 1)


def _places(animator: Animator, points: Tensor) -> Tensor:
    """Pixels ``[N, 2]`` of head-frame points ``[N, 3]`` in the portrait's own view."""
    source, size = animator.avatar.source, animator.size
    in_camera = head_to_camera(points, source.rotation, source.translation)
    return project(in_camera, animator.focal_ratio * size, (size / 2, size / 2))


def smooth(image: Tensor) -> Tensor:
    """Blur ``[3, S, S]`` with the binomial kernel (1, 2, 1) / 4 along both axes."""
    line = torch.tensor((0.25, 0.5, 0.25), dtype=image.dtype, device=image.device)
    padded = F.pad(image[:, None], (1, 1, 1, 1), mode="replicate")  # [3, 1, S + 2, S + 2]
    return F.conv2d(padded, (line[:, None] * line)[None, None])[:, 0]  # [3, S, S]
