"""Frames of one head at one size: what the pipeline does per frame."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mggtalk.animate.coverage import Coverage
from mggtalk.animate.cuda_graph import Predict, replay_graph
from mggtalk.animate.detail import Detail, refine_plates
from mggtalk.animate.head import Head
from mggtalk.animate.keyframes import draw_motion
from mggtalk.config import RenderConfig, check_field_of_view
from mggtalk.inpaint.compiled.finisher import CpuFinisher
from mggtalk.inpaint.follow import shed_loose, torso_and_background, torso_warp
from mggtalk.inpaint.image_renderer import ImageRenderer, Layers, compose, describe_change
from mggtalk.inpaint.plates import resize, resize_plates
from mggtalk.inpaint.shrink import shrink
from mggtalk.nets.gates import frame_gate
from mggtalk.nets.maps import to_bytes, to_float
from mggtalk.render.rasterize import Render, rasterize
from mggtalk.runtime.overlap import map_in_order
from mggtalk.runtime.readback import read_back
from mggtalk.runtime.threads import thread_count
from mggtalk.scene import Camera, Gaussians, Motion, MotionFrame
from mggtalk.sgp.compiled.predictor import Residuals


class Animator:
    """Draws a head at a fixed size over its plates. Shares the networks, which it never changes.

    Head and plates are composed no coarser than the portrait, and the finished frame is shrunk: at half the size a
    splat is narrower than a pixel, and drawing it there directly would alias.

    Args:
        head: Makes the Gaussians, and has the plates behind them.
        image_renderer: The image network.
        size: Side of the frame in pixels.
        config: The camera, and how a GPU draws.
        field_of_view: Of the camera that sees the head, degrees; None for that of the portrait's camera. The camera's
            distance follows (dolly zoom), so that the head keeps its size and only its perspective changes.
        most_oversampling: How many times finer than the frame the composition may be. 1 costs 15 of 50 ms less at
            256 px, and fine hair flickers a little.

    Raises:
        OptionError: If the field of view is out of range.
    """

    def __init__(
        self,
        head: Head,
        image_renderer: ImageRenderer,
        size: int,
        config: RenderConfig,
        field_of_view: float | None = None,
        most_oversampling: int = 8,
    ) -> None:
        self.config = config
        self.focal_ratio = config.focal_ratio
        self.dolly = 1.0 if field_of_view is None else dolly(field_of_view, self.focal_ratio)
        self.head = head
        self.device = head.device
        self.avatar = avatar = head.avatar
        self.image_renderer = image_renderer
        self.size = size
        self.oversampling = min(max(1, avatar.plates.background.shape[-1] // size), most_oversampling)
        self.fine = self.oversampling * size  # side on which the layers are composed
        self.plates = resize_plates(avatar.plates, self.fine)
        self.coverage: Coverage | None = None
        self.detail: Detail | None = None
        if avatar.portrait is not None and avatar.fine is not None and self.fine > avatar.portrait.shape[0]:
            self._refine(avatar.portrait, avatar.fine)

    @torch.inference_mode()
    def _refine(self, portrait: Tensor, fine: Tensor) -> None:
        """Show on large frames what a large portrait ``[F, F, 3]`` has and the avatar's square ``[S, S, 3]`` lacks."""
        large, small = (to_float(picture.numpy()).to(self.device) for picture in (fine, portrait))
        large = resize(large, self.fine)  # [3, fine, fine]
        self.plates = refine_plates(self.plates, large, small)
        source = self._send(self.avatar.source)
        splats = self.head.splats(source)
        visible, camera = splats.visible, self._camera(source)
        if not visible:
            return
        shown = torch.zeros(visible + splats.mirrored + splats.children, dtype=torch.bool, device=self.device)
        shown[:visible] = True
        shown[visible + splats.mirrored :][: visible if splats.children else 0] = True
        own = self.layers(splats.gaussians, source).composite[0]  # [3, fine, fine]
        self.detail = Detail(splats.gaussians, shown, camera, large - own)

    def before(self, background: Tensor, coverage: Coverage | None = None) -> Animator:
        """Return a copy that draws the same head and torso before another background.

        Args:
            background: RGB ``[3, fine, fine]`` in [0, 1].
            coverage: Gives frames a fourth channel.
        """
        other = copy.copy(self)
        other.__dict__.pop("_finisher", None)  # it has the old plates
        other.plates = self.plates._replace(background=background.to(self.device))
        other.coverage = coverage
        return other

    def splats(self, expression: Tensor, pose: MotionFrame | None = None) -> Gaussians:
        """Gaussians for ``beta_d [..., K]``, head frame; what depends on a pose takes this one or the portrait's."""
        return self.head.splats(self._posed(expression, pose)).gaussians

    def _posed(self, expression: Tensor, pose: MotionFrame | None) -> MotionFrame:
        """A frame, or B frames, of expressions ``[..., K]`` in one pose."""
        pose, batch = pose or self.avatar.source, expression.shape[:-1]
        rotation, translation = pose.rotation.expand(*batch, 3, 3), pose.translation.expand(*batch, 3)
        return MotionFrame(expression, rotation, translation, pose.torso.expand(*batch, 2, 3))

    def render(self, splats: Gaussians, frame: MotionFrame) -> Tensor:
        """Composite splats over torso and background.

        Args:
            splats: Gaussians in the head frame, or B sets.
            frame: Pose to see them from, or B poses.

        Returns:
            RGB ``[..., 3, size, size]`` in [0, 1].
        """
        pictures = self.image_renderer(*self.layers(splats, frame))  # [B, 3, size, size]
        return pictures if frame.rotation.ndim > 2 else pictures[0]

    def layers(self, splats: Gaussians, frame: MotionFrame) -> Layers:
        """The layers that the image network finishes. See :meth:`render`."""
        return self._compose(self._draw_head(splats, frame), frame)

    def _draw_head(self, splats: Gaussians, frame: MotionFrame) -> Render:
        """The head alone, or B heads, with a large portrait's detail."""
        camera = self._camera(frame)
        drawn = rasterize(splats, camera)
        return drawn if self.detail is None else self.detail(drawn, splats, camera)

    def _compose(self, drawn: Render, frame: MotionFrame) -> Layers:
        """The layers of a head that is drawn."""
        warp = torso_warp(self.avatar.plates, self.avatar.source, frame, self.focal_ratio)
        plates = shed_loose(self.plates, self.avatar.source, frame)
        plate = torso_and_background(plates, warp, self.fine)  # [B, 3, fine, fine]
        head = drawn.image.movedim(-1, -3).reshape(-1, 3, self.fine, self.fine)  # [B, 3, fine, fine]
        alpha = drawn.alpha.reshape(-1, 1, self.fine, self.fine)  # [B, 1, fine, fine]
        gate = frame_gate(frame, self.avatar.source).view(-1, 1, 1, 1)  # [B, 1, 1, 1]
        change = describe_change(frame, self.avatar.source).view(len(gate), -1)  # [B, CHANGE]
        return compose(head, alpha, plate, gate, change, self.oversampling)

    def head_alpha(self, frame: MotionFrame) -> Tensor:
        """Coverage of the head alone, ``[1, 1, fine, fine]``."""
        frame = self._send(frame)
        return rasterize(self._predict(frame), self._camera(frame)).alpha[None, None]

    def frame(self, frame: MotionFrame) -> np.ndarray:
        """One finished frame, uint8 ``[size, size, 3]``. Threads may call it at once."""
        return self.draw(frame, None)[0]

    @torch.inference_mode()
    def window(self, frame: MotionFrame, left: int, top: int, side: int) -> np.ndarray:
        """A square inside the head of a frame, which takes less time than all of it.

        Args:
            frame: The frame. Threads may call this at once.
            left: First column of the square.
            top: First row.
            side: Pixels.

        Returns:
            uint8 ``[side, side, 3]``; where the head ends its colours go on.
        """
        if not self.image_renderer.untrained:  # it reaches every pixel
            return self.frame(frame)[top : top + side, left : left + side]
        frame = self._send(frame)
        splats = self._predict(frame) if self.head.compiled is None else self.head.compiled.splats(frame)[0].gaussians
        block = self.oversampling
        drawn = rasterize(splats, self._camera(frame).window(block * left, block * top, block * side, block * side))
        colour = drawn.image / drawn.alpha.clamp(min=0.5)[..., None]  # [block side, block side, 3]
        return to_bytes(shrink(colour.movedim(-1, -3), block)).cpu().numpy()

    def frames(self, motion: Motion) -> Iterator[np.ndarray]:
        """The frames of a motion in order, made a few ahead of what is read on threads of their own.

        On a CPU the decoders are asked at key frames only, see :mod:`mggtalk.animate.keyframes`: frames between them
        differ from :meth:`frame` by a hundredth of what the decoders add. A GPU makes several frames at once.
        """
        if self.device.type != "cpu":
            return self.frames_together(motion, self.config.batch)
        if self.head.compiled is None or not self.head.compiled.learned:
            return map_in_order(self.frame, motion, self.workers)
        return draw_motion(lambda index, residuals: self.draw(motion[index], residuals), motion, self.workers)

    def frames_together(self, motion: Motion, count: int) -> Iterator[np.ndarray]:
        """The frames of a motion in order, ``count`` of them by one call of the networks and the rasterizer.

        The way of a GPU, which always has work in this loop; a CPU can do it as well, but gains nothing by it.
        The last batch is filled up with the last frame, so that all have one shape.
        """
        last = len(motion) - 1
        starts = range(0, len(motion), count)
        batches = (motion[torch.arange(start, start + count).clamp(max=last)] for start in starts)
        for start, pictures in zip(starts, read_back(self._pictures(batches))):
            yield from pictures[: len(motion) - start]

    def _pictures(self, batches: Iterable[MotionFrame]) -> Iterator[Tensor]:
        """Frames of batches of one size, uint8 ``[B, size, size, 3]``."""
        predict: Predict | None = None
        for batch in batches:
            with torch.inference_mode():
                frames = self._send(batch)
                if predict is None:
                    predict = replay_graph(self._predict, frames) if self.config.cuda_graph else self._predict
                pictures = self._finish(predict(frames), frames)
            yield pictures

    @torch.inference_mode()
    def draw(self, frame: MotionFrame, residuals: Residuals | None) -> tuple[np.ndarray, Residuals | None]:
        """Draw a frame like :meth:`frame`, with the decoders' residuals given or, without any, asked for.

        Returns:
            The frame, and the residuals in it; None where nothing is compiled.
        """
        if self.head.compiled is None:
            return self._picture(frame).cpu().numpy(), None
        (splats, *_), residuals = self.head.compiled.splats(frame, residuals)
        if self._finisher is None:
            return self._finish(splats, frame).numpy(), residuals
        head = self._draw_head(splats, frame)
        picture = self._finisher(head.image, head.alpha, frame)
        if self.coverage is not None:
            fourth = to_bytes(self.coverage(head.alpha[None, None], frame)[0]).numpy()  # [size, size, 1]
            picture = np.concatenate([picture, fourth], axis=2)  # [size, size, 4]
        return picture, residuals

    @torch.inference_mode()
    def _picture(self, frame: MotionFrame) -> Tensor:
        """A frame by torch, where the networks are: uint8 ``[size, size, 3 or 4]``."""
        frame = self._send(frame)
        return self._finish(self._predict(frame), frame)

    def _finish(self, splats: Gaussians, frame: MotionFrame) -> Tensor:
        """A frame, or B frames, by torch: uint8 ``[..., size, size, 3 or 4]``."""
        if self.coverage is None:
            return to_bytes(self.render(splats, frame))
        drawn = self._draw_head(splats, frame)
        pictures = self.image_renderer(*self._compose(drawn, frame))  # [B, 3, size, size]
        alpha = drawn.alpha.reshape(-1, 1, self.fine, self.fine)  # [B, 1, fine, fine]
        pictures = torch.cat([pictures, self.coverage(alpha, frame)], dim=1)  # [B, 4, size, size]
        return to_bytes(pictures if frame.rotation.ndim > 2 else pictures[0])

    def _predict(self, frame: MotionFrame) -> Gaussians:
        """Gaussians of a frame, or of B frames, that is where the networks are."""
        return self.head.splats(frame).gaussians

    def _send(self, frame: MotionFrame) -> MotionFrame:
        """Copy a frame to where the networks are, without waiting for the GPU."""
        return MotionFrame(*(tensor.to(self.device, non_blocking=True) for tensor in frame))

    @torch.inference_mode()
    def fast_splats(self, expression: Tensor, pose: MotionFrame | None = None) -> Gaussians:
        """Compute what :meth:`splats` gives, without gradients and with the networks' weights at the first call."""
        if self.head.compiled is None:
            return self.splats(expression, pose)
        return self.head.compiled.splats(self._posed(expression, pose))[0].gaussians

    @property
    def workers(self) -> int:
        """Threads that make frames on a CPU: one per core, as the steps of a frame are too short to be shared."""
        return thread_count()

    @cached_property
    def _finisher(self) -> CpuFinisher | None:
        """The compiled twin of :meth:`layers` and of the image network; None where torch has to do it."""
        with torch.inference_mode():
            if not CpuFinisher.suits(self.plates, self.image_renderer):
                return None
            return CpuFinisher(
                self.plates, self.avatar.source, self.image_renderer, self.focal_ratio, self.oversampling
            )

    def _camera(self, frame: MotionFrame) -> Camera:
        """The camera that the head is splatted for."""
        x, y, z = frame.translation.unbind(-1)
        place = torch.stack([x, y, self.dolly * z], dim=-1)  # [3]
        return Camera.from_pose(frame.rotation, place, self.fine, self.dolly * self.focal_ratio)


def dolly(field_of_view: float, focal_ratio: float) -> float:
    """Compute how many times farther away a camera of another field of view stands, to see the head as large.

    Args:
        field_of_view: Degrees, over the side of the picture.
        focal_ratio: Of the portrait's camera.

    Raises:
        OptionError: If it is out of range.
    """
    check_field_of_view(field_of_view)
    return 0.5 / math.tan(math.radians(field_of_view) / 2) / focal_ratio
