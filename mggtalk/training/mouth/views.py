"""Views of mouths, made ready for learning the colours of the sheet behind the lips.

While nothing but the sheet's colours changes, a picture is linear in them: ``I = I_0 + sum_k w_k dc_k``. A view keeps
what the sum needs, for a window around the lips: ``I_0``, how much of each pixel is sheet (``sum_k w_k``), and which
place of the sheet it shows. To learn from it takes no splatting, so that views can be looked at again and again.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.face.regions import mouth_mask
from mggtalk.face.topology import LIPS
from mggtalk.inpaint.shrink import shrink
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera, MotionFrame
from mggtalk.sgp.mouth.decoder import MouthDecoder, as_maps, hidden, paints

LEAST = 4.0
"""Pixels of sheet that a view must show to teach anything."""


class MouthView(NamedTuple):
    """A window of one frame, or of B of them."""

    base: Tensor  # [..., 3, W, W] RGB without the residual
    share: Tensor  # [..., 1, W, W] how much of each pixel is sheet
    place: Tensor  # [..., 2, W, W] column and row of the sheet that is seen, in [-1, 1]
    truth: Tensor  # [..., 3, W, W] RGB of the real frame where both show the head; else the base
    head: Tensor  # [..., 1, W, W] where they do
    mouth: Tensor  # [..., 1, W, W] region of the lips in the real frame
    inputs: Tensor  # [..., INPUTS, R, C] what the decoder sees
    paints: Tensor  # [..., 9, R, C] RGB that one unit of each of its three outputs adds
    expression: Tensor  # [..., K]

    def mirrored(self) -> MouthView:
        """The view with left and right exchanged. The expression is the other side's, and stays: it is noisy anyway."""
        flipped = MouthView(*(part.flip(-1) for part in self))._replace(expression=self.expression)
        place, inputs = flipped.place.clone(), flipped.inputs.clone()
        place[..., 0, :, :] *= -1
        inputs[..., [0, -1], :, :] *= -1  # x, and the column
        return flipped._replace(place=place, inputs=inputs)

    def painted(self, amounts: Tensor) -> Tensor:
        """The picture ``[B, 3, W, W]`` with amounts ``[B, 3, R, C]`` of the three paints on the sheet."""
        place = self.place.permute(0, 2, 3, 1)  # [B, W, W, 2]
        colours = (self.paints.unflatten(1, (3, 3)) * amounts[:, :, None]).sum(1)  # [B, 3, R, C]
        seen = F.grid_sample(colours, place, padding_mode="border", align_corners=False)  # [B, 3, W, W]
        return self.base + self.share * seen


def hide_mouth(avatar: Avatar) -> Avatar:
    """The avatar as if its portrait had not shown the inside of the mouth: what a closed mouth leaves to be painted."""
    inside = avatar.binding.part >= Part.UPPER_MOUTH
    return avatar.with_(
        opacity=avatar.opacity.masked_fill(inside, 0.0),
        mouth=avatar.mouth._replace(known=torch.zeros_like(avatar.mouth.known)),
    )


class MouthViewer:
    """Draws views of one avatar, with all of the pipeline but the mouth decoder's residual.

    Args:
        pipe: The pipeline.
        avatar: Whose mouth.
        picture: Side of the frames, pixels.
        side: W.
    """

    def __init__(self, pipe: MGGTalkPipeline, avatar: Avatar, picture: int, side: int) -> None:
        plain = copy.copy(pipe)  # with another mouth decoder, and all else shared with what learns
        plain.sgp = copy.copy(pipe.sgp)
        plain.sgp._modules = pipe.sgp._modules | {"mouth_decoder": MouthDecoder(pipe.config.sgp).eval()}
        self.decoder: MouthDecoder = plain.sgp.mouth_decoder
        self.animator, self.head = plain.animator(avatar, picture), plain.head(avatar, picture)
        self.side = side
        across, down = ((torch.arange(count) + 0.5) / count * 2 - 1 for count in (COLUMNS, ROWS))
        self.places = torch.stack([across.repeat(ROWS), down.repeat_interleave(COLUMNS)], dim=-1)  # [R*C, 2]

    @torch.inference_mode()
    def view(self, frame: MotionFrame, image: Tensor, head: Tensor, landmarks: Tensor) -> MouthView | None:
        """The view of a frame; None if it shows no sheet.

        Args:
            frame: Its motion, with the avatar's identity.
            image: The real frame ``[3, P, P]`` in [0, 1].
            head: Its head mask ``[1, P, P]``.
            landmarks: ``[V, 2]`` pixels.
        """
        animator, side, fine = self.animator, self.side, self.animator.oversampling
        vertices = self.head.vertices(frame.expression)
        if hidden(animator.avatar.mouth, vertices):  # a set of splats may then lack the sheet
            return None
        centre = landmarks[list(LIPS)].mean(0)
        left, top = (centre - side / 2).round().clamp(0, animator.size - side).int().tolist()
        camera = self._camera(frame, left, top)
        splats = animator.fast_splats(frame.expression, frame)
        drawn = rasterize(splats, camera)
        # The sheet is the last part of a set: 1 and its place for each of its Gaussians, 0 for all others.
        marks = F.pad(F.pad(self.places, (1, 0), value=1.0), (0, 0, len(splats.means) - len(self.places), 0))  # [N, 3]
        shown = rasterize(splats, camera, features=marks).image.permute(2, 0, 1)  # [3, fine W, fine W]
        share, means = shrink(shown[0][None], fine)[0].clamp(min=0.0), F.avg_pool2d(shown, fine)  # [W, W], [3, W, W]
        window = (..., slice(top, top + side), slice(left, left + side))
        alpha, base = (shrink(layer, fine) for layer in (drawn.alpha[None], drawn.image.permute(2, 0, 1)))
        head = head[window] * alpha.clamp(0, 1)  # [1, W, W]
        if float((share * head).sum()) < LEAST:
            return None
        mouth = torch.from_numpy(mouth_mask(landmarks, animator.size, animator.size))[window]
        avatar = animator.avatar
        estimate = self.decoder.estimate(avatar.mouth, vertices)
        added = paints(avatar.mouth, estimate).flatten(-2)  # [R*C, 9]
        view = MouthView(
            base=base,
            share=share[None],
            place=means[1:] / means[:1].clamp(min=1e-3),  # [2, W, W]
            truth=base + head * (image[window] - base),
            head=head,
            mouth=mouth[None],
            inputs=as_maps(estimate.inputs)[0],
            paints=as_maps(added)[0],
            expression=frame.expression,
        )
        return MouthView(*(part.half().clone() for part in view))

    def _camera(self, frame: MotionFrame, left: int, top: int) -> Camera:
        """The camera of the window, which sees it as finely as the animator draws."""
        animator, fine = self.animator, self.animator.oversampling
        whole = Camera.from_pose(frame.rotation, frame.translation, animator.fine, animator.focal_ratio)
        return whole.window(left * fine, top * fine, self.side * fine, self.side * fine)


def stack(views: list[MouthView]) -> MouthView:
    """Several views as one of them all, in single precision."""
    return MouthView(*(torch.stack(parts).float() for parts in zip(*views)))
