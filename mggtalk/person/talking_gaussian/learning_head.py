"""Gaussians to learn from: values of the compiled head, gradients of what a touch adds.

A step of learning needs the Gaussians of one frame inside one window, and gradients by the touch alone: the networks
below it stay as they are. So the compiled head makes all values without gradients, as it does for a video, and to each
Gaussian ``g`` that the window sees the touch ``d`` of its point is added as ``d - stop(d)``, which is zero and has the
gradient of ``d``::

    mean + dp,   exp(s + ds),   normalise(q + dq),   sigmoid(logit + dl),   SH + dh

A child has the touch of its parent, a mirrored point that of its twin, mirrored.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.animate.head import PortraitHead, SplatParts
from mggtalk.avatar.adapter import Touch
from mggtalk.motion.deformation import drive
from mggtalk.render.constants import SH_0
from mggtalk.render.paint import sum_painted
from mggtalk.scene import Camera, Gaussians, MotionFrame
from mggtalk.sgp.parameters import GaussianParameters
from mggtalk.sgp.predictor import own_mouth

SIGMAS, MARGIN = 3.0, 2.0
"""Reach of a Gaussian in its greatest standard deviations, and pixels beyond."""

LEAST_DEPTH = 0.5
"""Decimetres before the camera, at least, of what is drawn."""

OPAQUE = 1e-4
"""Distance of opacities from 0 and 1, at least, where logits are needed."""


class Painted(NamedTuple):
    """What is summed over the pixels of a window that each Gaussian paints, by how much of them it paints."""

    points: Tensor  # [N, C] of each visible point and its child
    mouth: Tensor  # [Q, C] of each Gaussian inside the mouth
    places: Tensor  # [N, 3] of the visible points, head frame


class LearningHead:
    """Makes the Gaussians of one avatar's frames for learning.

    Args:
        head: Of the avatar, without an adapter.
    """

    def __init__(self, head: PortraitHead) -> None:
        self._head = head
        avatar = head.avatar
        visible, twins = torch.arange(len(avatar.points)), avatar.mirrored
        self._points = torch.cat([visible, twins])  # [N + M] whose touch it is
        signs = GaussianParameters(torch.ones(1, 3), torch.ones(1, 4), torch.ones(1, 4, 3), torch.ones(1))
        mirror = torch.cat([torch.tensor([-1.0, 1.0, 1.0]), signs.mirror().flatten()[0]])  # [23]
        self._signs = torch.stack([torch.ones_like(mirror), mirror])  # [2, 23]

    def splats(self, frame: MotionFrame, touch: Touch, camera: Camera) -> Gaussians:
        """The Gaussians that a camera may see in its window.

        Args:
            frame: The frame.
            touch: What a head that learns adds to it.
            camera: Its window decides which are made.
        """
        parts = self.values(frame, touch)
        seen = in_window(parts.gaussians, camera)  # [S]
        made = len(self._points)
        moved = seen[seen < (2 if parts.children else 1) * made]  # [P] of parents and children
        values = Gaussians(*(field[moved] for field in parts.gaussians))
        source = moved % made
        mirrored = (source >= parts.visible).long()  # [P]
        table = _table(touch)  # [N, 23]
        added = table[self._points[source]] * self._signs[mirrored]  # [P, 23]
        whole = parts.gaussians._replace(opacities=torch.ones_like(parts.gaussians.opacities))
        shown = self._head.turn(whole, frame).opacities[moved]  # [P] share that this pose shows of each
        changed = _add(values, shown, added - added.detach())
        rest = seen[len(moved) :]  # [R]
        if parts.mouth and len(touch.mouth):
            start = parts.gaussians.means.shape[0] - parts.mouth
            inside = rest[rest >= start] - start
            rest = rest[: len(rest) - len(inside)]
            mouth = own_mouth(touch.mouth[inside])
        else:
            mouth = Gaussians(*(field[:0] for field in parts.gaussians))
        back = Gaussians(*(field[rest] for field in parts.gaussians))
        return Gaussians(*(torch.cat(fields) for fields in zip(changed, back, mouth)))

    def painted(self, parts: SplatParts, camera: Camera, values: Tensor) -> Painted:
        """Sum values ``[H, W, C]`` of a window over what each visible point and each Gaussian of the mouth paints.

        Args:
            parts: Of :meth:`values`.
            camera: Sees the window.
            values: Of each pixel.
        """
        shares = sum_painted(parts.gaussians, camera, values)  # [G, C]
        found = shares[: parts.visible]
        if parts.children:
            start = parts.visible + parts.mirrored
            found = found + shares[start : start + parts.visible]
        return Painted(found, shares[len(shares) - parts.mouth :], parts.gaussians.means[: parts.visible])

    @torch.no_grad()
    def values(self, frame: MotionFrame, touch: Touch) -> SplatParts:
        """All Gaussians of a frame without gradients, by the compiled head where there is one."""
        fixed = Touch(*(part.detach() for part in touch))
        head = self._head
        if head.compiled is not None:
            return head.compiled.splats(frame, touch=fixed)[0]
        driven = drive(head.deformation, head.face_model, head.avatar, frame.expression, fixed)
        return head.parts(head.turn(head.predict(driven), frame))


@torch.no_grad()
def in_window(gaussians: Gaussians, camera: Camera) -> Tensor:
    """Indices ``[S]``, in order, of the Gaussians that may be seen in the window of a camera."""
    places = gaussians.means @ camera.view[:3, :3].T + camera.view[:3, 3]  # [N, 3] camera frame
    depth = places[:, 2].clamp(min=LEAST_DEPTH)
    pixels = camera.focal * places[:, :2] / depth[:, None] + torch.tensor(camera.centre)  # [N, 2]
    reach = SIGMAS * camera.focal * gaussians.scales.amax(1) / depth + MARGIN  # [N]
    outside = (-pixels).maximum(pixels - torch.tensor((camera.width, camera.height))).amax(1)  # [N]
    return (outside < reach).nonzero().squeeze(-1)


def _table(touch: Touch) -> Tensor:
    """What a touch adds to the points ``[N, 23]``: place, log-scales, quaternion, harmonics, logit."""
    added = touch.parameters  # [N, 20]
    constant = added[:, 7:10] + touch.colour / SH_0
    logits = added[:, 19:] + touch.logits[:, None]
    return torch.cat([touch.points, added[:, :7], constant, added[:, 10:19], logits], dim=1)


def _add(values: Gaussians, shown: Tensor, added: Tensor) -> Gaussians:
    """Add raw parameters ``[P, 23]`` to Gaussians, of whose opacities a pose shows the share ``[P]``."""
    means, log_scales, quaternions, harmonics, logits = added.split([3, 3, 4, 12, 1], dim=1)
    opacities = (values.opacities / shown.clamp(min=OPAQUE)).clamp(max=1.0)  # [P] of the whole ones
    return Gaussians(
        means=values.means + means,
        quaternions=F.normalize(values.quaternions + quaternions, dim=-1),
        scales=values.scales * log_scales.exp(),
        opacities=shown * (torch.logit(opacities, eps=OPAQUE) + logits[:, 0]).sigmoid(),
        harmonics=values.harmonics + harmonics.unflatten(-1, (4, 3)),  # [P, 4, 3]
    )
