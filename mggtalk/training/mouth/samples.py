"""One step's views for learning the sheet's colours: a function of the step alone, so that runs can resume."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from mggtalk.avatar.binding import Part
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.augment import resize_picture
from mggtalk.training.data.corpus import Clip
from mggtalk.training.data.pairs import DrivingMotions, PairSampler
from mggtalk.training.mouth.views import MouthView, MouthViewer, hide_mouth, stack


class MouthSample(NamedTuple):
    """Views of several people."""

    views: MouthView  # [B, ...]
    name: str  # of their clips


class MouthSamples:
    """Draws views.

    Portraits with open mouths have their mouth hidden as often as not, and then are their own target as well: so a
    single picture of a smile teaches something, too.

    Args:
        clips: Of the corpus; mirror images are left out, as views are mirrored by themselves.
        pipe: Draws what is not learned.
        config: Of the training.

    Raises:
        OptionError: If there are no clips, or no mouth among them is open.
    """

    def __init__(self, clips: list[Clip], pipe: MGGTalkPipeline, config: TrainConfig) -> None:
        self.clips = [clip for clip in clips if not clip.mirrored]
        if not self.clips:
            raise OptionError("There are no clips to train on.", "Give a corpus with clips.")
        self.pipe = pipe
        self.config = config
        self.motions = DrivingMotions(pipe.face_model)
        self.weights = torch.tensor([math.sqrt(len(clip)) for clip in self.clips])
        self._pool: dict[int, list[MouthView]] = {}

    def draw(self, index: int) -> MouthSample:
        """The sample of one index, always the same.

        Args:
            index: Step times the number of processes, plus the process.

        Raises:
            OptionError: If no mouth among the clips is open.
        """
        config = self.config.mouth
        generator = torch.Generator().manual_seed(hash((self.config.seed, index)) % 2**62)
        views: list[MouthView] = []
        misses = 0
        while len(views) < config.batch:
            drawn = self._views(int(torch.randint(config.pool, (), generator=generator)))
            misses += not drawn
            if misses > config.pool:
                raise OptionError("No mouth of the corpus is open.", "Give clips of people who talk or smile.")
            for chosen in torch.randperm(len(drawn), generator=generator)[: config.together].tolist():
                mirrored = bool(torch.rand((), generator=generator) < 0.5)
                views.append(drawn[chosen].mirrored() if mirrored else drawn[chosen])
        batch = stack(views[: config.batch])
        noise = config.noise * torch.randn(batch.expression.shape, generator=generator)
        return MouthSample(batch._replace(expression=batch.expression + noise), f"{len(views)} views")

    def _views(self, number: int) -> list[MouthView]:
        """The views of one portrait of the pool, which are drawn when they are first asked for."""
        if number not in self._pool:
            self._pool[number] = self._make(number)
        return self._pool[number]

    def _make(self, number: int) -> list[MouthView]:
        """See :meth:`_views`."""
        config = self.config
        generator = torch.Generator().manual_seed(hash((config.seed, -1, number)) % 2**62)
        clip = self.clips[int(torch.multinomial(self.weights, 1, generator=generator))]
        source = clip.sources[int(torch.randint(len(clip.sources), (), generator=generator))]
        avatar = clip.avatar(source)
        motion = self.motions.motion(clip, source, avatar)
        hidden = bool((avatar.binding.part >= Part.UPPER_MOUTH).any()) and (
            len(clip) == 1 or bool(torch.rand((), generator=generator) < config.mouth.hidden)
        )
        frames = [source] if hidden else []
        if len(clip) > 1:
            frames += PairSampler(clip, source, generator, config.pairs).draw(config.mouth.frames, None)
        viewer = MouthViewer(self.pipe, hide_mouth(avatar) if hidden else avatar, config.picture, config.mouth.window)
        views = []
        assert clip.motion.landmarks is not None
        for frame in frames:
            landmarks = clip.motion.landmarks[frame, :, :2].float() * (config.picture / clip.side)  # [V, 2]
            image, head = (
                resize_picture(clip.frame(frame), config.picture),
                resize_picture(clip.head(frame), config.picture),
            )
            views.append(viewer.view(motion[frame], image, head, landmarks))
        return [view for view in views if view is not None]
