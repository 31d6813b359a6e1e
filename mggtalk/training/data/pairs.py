"""Pairs of a source and target frames, and how each of them drives it."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.motion.retarget import retarget
from mggtalk.scene import Motion
from mggtalk.training.config import PairConfig
from mggtalk.training.data.corpus import Clip
from mggtalk.training.data.sources import distances, lid_gaps, lip_gaps

OUTLIER = 0.95
"""Quantile at which distances are cut, so that no single badly tracked frame is drawn all the time."""


class PairSampler:
    """Draws target frames for one source of one clip.

    With all preferences zero the draws are uniform. The source itself, and frames in which the face was lost, are never
    drawn.

    Args:
        clip: A stored clip.
        source: One of its sources.
        generator: Of the draws.
        config: Preferences.

    Raises:
        OptionError: If the clip leaves nothing to draw.
    """

    def __init__(self, clip: Clip, source: int, generator: torch.Generator, config: PairConfig | None = None) -> None:
        self.config = config = config or PairConfig()
        self.generator = generator
        motion = clip.motion
        assert motion.landmarks is not None
        allowed = torch.ones(len(motion), dtype=torch.bool) if motion.found is None else motion.found.clone()
        allowed[source] = False
        if not bool(allowed.any()):
            raise OptionError(f"{clip.name} has no frame but source {source} that can be drawn.", "Leave it out.")
        lips, lids = lip_gaps(motion.landmarks), lid_gaps(motion.landmarks)  # [T]
        self.mouth = (lips - lips.min()) / (lips.max() - lips.min()).clamp(min=1e-6)  # [T] 0: most closed, 1: most open
        self.blink = (1.0 - lids / lids.quantile(0.9).clamp(min=1e-6)).clamp(0.0, 1.0)  # [T] 1: closed
        terms = (
            (config.gap, distances(motion, source)),
            (config.mouth, (lips - lips[source]).abs()),
            (config.eyes, (lids - lids[source]).abs()),
        )
        weights = torch.ones(len(motion))
        for preference, values in terms:
            values = values.clamp(max=float(values.quantile(OUTLIER)))
            weights = weights + preference * values / values.mean().clamp(min=1e-6)
        self.weights = weights * allowed  # [T]

    def draw(self, count: int, progress: float | None = None) -> list[int]:
        """Draw targets.

        Args:
            count: How many; they differ as far as there are enough frames.
            progress: How far the training is, 0 to 1, for incremental sampling; None for none.

        Returns:
            Stored-frame indices.
        """
        weights = self.weights
        if progress is not None and self._chance() < self.config.incremental:
            window = self.window(progress, mouth=self._chance() < 0.5)
            weights = weights * window if bool((weights * window).any()) else weights
        enough = int((weights > 0).sum()) >= count
        return torch.multinomial(weights, count, replacement=not enough, generator=self.generator).tolist()

    def window(self, progress: float, mouth: bool) -> Tensor:
        """The frames of incremental sampling, bool ``[T]``.

        Mouths go from nearly closed to wide open: openings in ``[c - w, c + w]`` with ``w = 0.2 (1 - l)``, ``l = 0.2``
        and ``c = l + (1 - l) progress``. Eyes go from open to closed: blinks in ``[progress - 0.15, progress + 0.3]``.

        Args:
            progress: 0 to 1.
            mouth: Choose by the mouth; by the eyes otherwise.
        """
        if not mouth:
            return (self.blink >= progress - 0.15) & (self.blink <= progress + 0.3)
        low = 0.2
        width, centre = 0.2 * (1.0 - low), low + (1.0 - low) * progress
        return (self.mouth >= centre - width) & (self.mouth <= centre + width)

    def _chance(self) -> float:
        """A number in [0, 1)."""
        return float(torch.rand((), generator=self.generator))


class DrivingMotions:
    """Motions of clips fitted with the identity of each source, in image coordinates. The latest are kept.

    Args:
        face_model: The landmark 3DMM.
        capacity: How many motions are kept; one of 200 frames takes about 60 kB.
    """

    def __init__(self, face_model: FaceModel, capacity: int = 1024) -> None:
        self.face_model = face_model
        self.capacity = capacity
        self._kept: OrderedDict[tuple[str, str, int], Motion] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def motion(self, clip: Clip, source: int, avatar: Avatar) -> Motion:
        """The motion of all stored frames that drives an avatar of the same clip.

        Args:
            clip: The clip.
            source: The source that the avatar was made of.
            avatar: ``clip.avatar(source)``.

        Returns:
            Expressions and absolute poses ``[T, ...]``, without landmarks.
        """
        key = (str(clip.path), clip.name, source)
        motion = self._kept.get(key)
        if motion is None:
            motion = retarget(clip.motion, avatar, "absolute", self.face_model).with_(landmarks=None)
        self._kept[key] = motion
        self._kept.move_to_end(key)
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return motion
