"""The pipeline as the page uses it: within the page's limits, on a borrowed GPU where there is one."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from demo.limits import LIMITS
from demo.zerogpu import AVAILABLE, on_gpu
from mggtalk.animate.talking_video import TalkingVideo
from mggtalk.avatar.avatar import Avatar
from mggtalk.depth.catalogue import MESH
from mggtalk.evaluation.explain import Explanation, explain, facing
from mggtalk.face.warm import warm_up_tracking
from mggtalk.person.load import load_adapter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import warm_up
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Gaussians, Motion, MotionFrame


class Engine:
    """Shares the networks of one pipeline between all visitors; holds nothing of any of them.

    Args:
        pipe: The pipeline. Its kernels are compiled in the background; :meth:`ready` waits for them.
    """

    def __init__(self, pipe: MGGTalkPipeline) -> None:
        self.pipe = copy.copy(pipe)
        self.pipe.config = replace(pipe.config, media=LIMITS)
        self._warming = threading.Thread(target=self._warm_up, name="warm-up", daemon=True)
        self._warming.start()
        # What takes no time on the CPU (stills, splats, the embedded estimator) asks for no GPU: each asking is a wait.
        self.frames = on_gpu(self._frames, lambda _avatar, motion, *_: 10 + len(motion) / 100)
        self._estimate = on_gpu(self._prepare, lambda *_: 60)

    def _warm_up(self) -> None:
        """Compile the kernels of splatting and tracking."""
        warm_up()
        warm_up_tracking(self.pipe.face_model)

    def ready(self) -> None:
        """Wait until the kernels are compiled."""
        self._warming.join()

    def prepare(self, photos: list[str], face: int | None, depth: str, on_progress: Progress = no_progress) -> Avatar:
        """See :meth:`MGGTalkPipeline.prepare`; progress cannot be told from another process."""
        if depth == MESH:
            return self.pipe.prepare(photos, face=face, on_progress=on_progress, depth=depth)
        return self._estimate(photos, face, depth, no_progress if AVAILABLE else on_progress)

    def _prepare(self, photos: list[str], face: int | None, depth: str, on_progress: Progress) -> Avatar:
        return self._borrowed().prepare(photos, face=face, on_progress=on_progress, depth=depth).to("cpu")

    def _borrowed(self) -> MGGTalkPipeline:
        """The pipeline on the GPU that was lent, in a process of its own; as it is, where none is lent."""
        return self.pipe.to("cuda") if AVAILABLE else self.pipe

    def placed(
        self, portrait: str, points: tuple[tuple[float, float], ...], on_progress: Progress = no_progress
    ) -> Avatar:
        """Prepare a portrait whose face was clicked."""
        return self.pipe.prepare(portrait, on_progress=on_progress, points=points)

    def adapted(self, adapter: str, on_progress: Progress = no_progress) -> Avatar:
        """Make the avatar of an adapter, see :func:`mggtalk.person.load.load_adapter`."""
        return load_adapter(self.pipe, adapter, on_progress)

    def _frames(
        self,
        avatar: Avatar,
        motion: Motion,
        size: int,
        yaws: tuple[float, ...] = (),
        fov: float | None = None,
        background: str | None = None,
    ) -> Iterator[np.ndarray]:
        """Frames of a motion that was put on the avatar, uint8; with yaws, seen from these sides, side by side."""
        pipe = self._borrowed()
        avatar = avatar.to(pipe.device)
        video = TalkingVideo(pipe.animator(avatar, size, fov), motion)
        if background is not None:
            video = video.with_background(background)
        if not yaws:
            yield from video
            return
        for frame in motion:
            views = [facing(avatar, frame, yaw) for yaw in yaws]
            yield np.concatenate([video.frame(view) for view in views], axis=1)  # [S, n S, 3 or 4]

    def still(self, avatar: Avatar, frames: tuple[MotionFrame, ...], size: int) -> np.ndarray:
        """Stills side by side, uint8 ``[S, n S, 3]``."""
        animator = self.pipe.animator(avatar, size)
        return np.concatenate([animator.frame(frame) for frame in frames], axis=1)

    def splat(self, avatar: Avatar) -> Gaussians:
        """Splats of the portrait itself."""
        return self.pipe.splat(avatar, avatar.source)

    def explain(self, avatar: Avatar) -> Explanation:
        """See :func:`mggtalk.evaluation.explain.explain`."""
        return explain(self.pipe, avatar)
