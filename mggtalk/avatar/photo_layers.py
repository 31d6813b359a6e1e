"""Photo layers: what further photos of the same person add to an avatar that was made of the first one.

Each photo is a typical frame, as those of an adapter (:mod:`mggtalk.avatar.adapter`): it has a code in every region of
the face, and a frame shows it by its share ``a_k = softmax_k(-|A f - c_k|^2 / 2 - d_k)``, ``f = (beta_d, pose)``, where
``d_k`` keeps half a mouth out. Nothing is learned: the layers are the colours that the photo shows at the avatar's
points, less those of the first photo, where it sees them.

What is coarse, light and the shade of folds, is mixed by these shares. Fine detail of two photos never lies one exactly
over the other, and mixed it is a blur: its shares are ``a_k^4 / sum``, so that one photo has most of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.adapter import Touch, features
from mggtalk.scene import MotionFrame

REGIONS = ("face", "eyes", "mouth")
"""Parts of the face that look for their photo by themselves: a blink must not change the lips."""

BLUR = 9
"""Side of the squares of the position map over which the mean colours of points are taken, pixels."""

SHARP = 4.0
"""Power of the shares in fine detail: as if photos were twice as far apart."""


class PhotoLayers(NamedTuple):
    """What K further photos add to the N visible points, the face model and the sheet of the mouth."""

    axes: Tensor  # [3, D, F] A of each region
    codes: Tensor  # [3, 1 + K, D] c_k, the first photo's before the others'
    doubt: Tensor  # [3, 1 + K] taken from the logarithm of a photo's share in a region of which it hides a part
    regions: Tensor  # [3, N] share of each region in a point
    vertex_regions: Tensor  # [3, V] the same for the face model
    seen: Tensor  # [K, N] how well the photo shows a point, in [0, 1]
    colour: Tensor  # [K, N, 9] RGB of parents, of their children, and of parents without children
    vertices: Tensor  # [K, V, 3] decimetres
    sheet: Tensor  # [K, R*C, 7] decimetres, RGB, logit

    def shares(self, frame: MotionFrame) -> Tensor:
        """Compute how near a frame is to each photo, ``[3, 1 + K]``; each region's sum is 1."""
        places = self.axes @ features(frame)  # [3, D]
        return torch.softmax(-0.5 * (self.codes - places[:, None]).square().sum(-1) - self.doubt, dim=1)

    def touches(self, avatar: Any) -> PhotoTouches:
        """The maker of the touches of an avatar, whose colours are those of the first photo."""
        return PhotoTouches(self, avatar)


class PhotoTouches:
    """Makes the touches of one avatar, whose colours are those of the first photo."""

    def __init__(self, layers: PhotoLayers, avatar: Any) -> None:
        self.layers = layers
        own, child, alone = layers.colour.split(3, dim=-1)  # [K, N, 3]
        if avatar.colour is avatar.coarse_colour:
            own, child = alone, alone + avatar.colour_step
        step = child - own - avatar.colour_step
        change = layers.seen[..., None] * torch.cat([own - avatar.colour, step], dim=-1)  # [K, N, 6]
        self._coarse = torch.stack([blur_points(avatar, photo) for photo in change])  # [K, N, 6]
        self._fine = change - self._coarse

    def __call__(self, frame: MotionFrame) -> Touch:
        """The touch of a frame."""
        return self.touch(self.layers.shares(frame))

    def touch(self, shares: Tensor) -> Touch:
        """The touch for shares ``[3, 1 + K]``."""
        layers, further = self.layers, shares[:, 1:]  # [3, K]
        sharp = shares.pow(SHARP)
        sharp = (sharp / sharp.sum(1, keepdim=True))[:, 1:]  # [3, K]
        coarse, fine = ((share.T @ layers.regions)[..., None] for share in (further, sharp))  # [K, N, 1]
        change = (coarse * self._coarse + fine * self._fine).sum(0)  # [N, 6]
        still = torch.zeros_like(change[:, :3])
        return Touch(
            vertices=((further.T @ layers.vertex_regions)[..., None] * layers.vertices).sum(0),  # [V, 3]
            points=still,
            colour=change[:, :3],
            colour_step=change[:, 3:],
            logits=still[:, 0],
            sheet=torch.tensordot(further[-1], layers.sheet, 1),  # [R*C, 7]
        )


def blur_points(avatar: Any, values: Tensor) -> Tensor:
    """Mean ``[N, C]`` of the values of the points around each one on the position map of an avatar."""
    maps = F.avg_pool2d(avatar.position_map(F.pad(values, (0, 1), value=1.0)), BLUR, 1, BLUR // 2)  # [C + 1, H, W]
    mean = avatar.from_map(maps)  # [N, C + 1]
    return mean[:, :-1] / mean[:, -1:].clamp(min=1e-3)
