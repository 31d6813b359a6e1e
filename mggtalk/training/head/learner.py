"""Learner of the residuals, from an avatar and target frames to the pictures that eq. 7 compares."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.turning import turn_opacities, turn_shares
from mggtalk.geometry import camera_to_head, mirror_points
from mggtalk.inpaint.shrink import shrink
from mggtalk.motion.deformation import drive
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera, Gaussians, MotionFrame
from mggtalk.training.config import TrainConfig


class Target(NamedTuple):
    """A window of a target frame."""

    frame: MotionFrame  # expression and pose, with the avatar's identity
    corner: tuple[int, int]  # left and upper edge of the window in the target picture, pixels
    image: Tensor  # [3, W, W] RGB of the window in [0, 1]
    head: Tensor  # [1, W, W] head mask
    weight: Tensor  # [1, W, W] weights of the pixels in the loss

    def to(self, device: torch.device | str) -> Target:
        """A copy on a device."""
        frame = MotionFrame(*(tensor.to(device) for tensor in self.frame))
        return self._replace(
            frame=frame, image=self.image.to(device), head=self.head.to(device), weight=self.weight.to(device)
        )


class Renditions(NamedTuple):
    """Head pictures of K targets over one background colour."""

    coarse: Tensor  # [K, 3, W, W] of G
    dense: Tensor  # [K, 3, W, W] of G_den
    truth: Tensor  # [K, 3, W, W]
    weight: Tensor  # [K, 1, W, W]


class Learner(nn.Module):
    """The networks of DSGR and SGP as one module.

    Args:
        pipe: Holds them; those that the configuration names get gradients.
        config: Size of the target pictures, and how much finer the head is splatted.
    """

    def __init__(self, pipe: MGGTalkPipeline, config: TrainConfig) -> None:
        super().__init__()
        self.refine, self.deformation, self.sgp = pipe.refine, pipe.deformation, pipe.sgp
        self.face_model = pipe.face_model  # not trained
        self.focal_ratio = pipe.config.render.focal_ratio
        self.side, self.oversampling = config.picture, config.oversampling
        for name in config.train:
            getattr(self, name).requires_grad_()

    def forward(self, avatar: Avatar, targets: list[Target], background: Tensor) -> Renditions:
        """Render the windows of all targets of one source.

        Args:
            avatar: The source, with unrefined points.
            targets: K windows of one size.
            background: Colour ``[3]`` behind the head.

        Returns:
            The pictures to compare.
        """
        avatar = self.refined(avatar)
        features = self.sgp.features(avatar)
        coarse: list[Tensor] = []
        dense: list[Tensor] = []
        for target in targets:
            driven = drive(self.deformation, self.face_model, avatar, target.frame.expression)
            sets = self.sgp(avatar, driven, features)
            shares = turn_shares(avatar.source, target.frame, avatar.turning)
            count = 2 if self.sgp.densify.enabled else 1
            for pictures, splats, repeated in ((coarse, sets.coarse, 1), (dense, sets.dense, count)):
                seen = turn_opacities(splats, avatar.turning, shares, repeated)
                pictures.append(self._window(seen, target, background))
        image = torch.stack([target.image for target in targets])  # [K, 3, W, W]
        head = torch.stack([target.head for target in targets])  # [K, 1, W, W]
        truth = image * head + background[:, None, None] * (1.0 - head)
        weight = torch.stack([target.weight for target in targets])
        return Renditions(torch.stack(coarse), torch.stack(dense), truth, weight)

    def refined(self, avatar: Avatar) -> Avatar:
        """Eq. 2 on a stored avatar. Which mirrored points are kept was decided on the unrefined cloud."""
        if self.refine.untrained:
            return avatar
        coarse = avatar.position_map(avatar.points)[None]  # [1, 3, H, W]
        eye = camera_to_head(avatar.points.new_zeros(1, 3), avatar.rotation, avatar.translation)[0]
        offset = self.refine(coarse, avatar.head_image[:, :3], eye)[0] - coarse[0]  # [3, H, W]
        moved = avatar.from_map(offset)  # [N, 3]
        return avatar.with_(
            points=avatar.points + moved,
            mirrored_points=avatar.mirrored_points + mirror_points(moved[avatar.mirrored]),
        )

    def _window(self, splats: Gaussians, target: Target, background: Tensor) -> Tensor:
        """The window of a target ``[3, W, W]``, splatted finer and shrunk."""
        fine = self.oversampling
        side, window = self.side * fine, target.image.shape[-1] * fine
        left, top = target.corner
        whole = Camera.from_pose(target.frame.rotation, target.frame.translation, side, self.focal_ratio)
        camera = whole.window(left * fine, top * fine, window, window)
        image = rasterize(splats, camera, background=background).image  # [W', W', 3]
        return shrink(image.permute(2, 0, 1), fine)  # [3, W, W]
