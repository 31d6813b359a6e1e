"""Fréchet inception distance of several methods, over the frames of all clips together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np

from mggtalk.errors import OptionError
from mggtalk.evaluation.frames import FrameStore
from mggtalk.evaluation.frechet import Moments, Reference
from mggtalk.evaluation.scores import STILL


class Describer(Protocol):
    """Network that describes pictures, such as :class:`mggtalk.evaluation.inception.Inception`."""

    width: int  # numbers that describe a picture

    def features(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """``[b, width]`` of frames uint8 ``[H, W, 3]``, a few at a time."""


class InceptionDistance:
    """Gathers what is needed clip by clip.

    Args:
        network: Describes the frames.
    """

    def __init__(self, network: Describer) -> None:
        self._network = network
        self._real = Moments(network.width)
        self._made: dict[str, Moments] = {}

    def watch(self, real: FrameStore, portrait: np.ndarray, made: Mapping[str, FrameStore]) -> None:
        """Take the frames of one clip, uint8 ``[S, S, 3]``.

        Args:
            real: Those of the video.
            portrait: The still portrait, which counts as often.
            made: Method to its frames, as many.
        """
        self._add(self._real, real)
        self._add(self._of(STILL), [portrait], len(real))
        for name, frames in made.items():
            self._add(self._of(name), frames)

    def distances(self) -> dict[str, float]:
        """Method to its FID, squared as it is always given.

        Raises:
            OptionError: If there are fewer frames than give a covariance full rank, of which all depends.
        """
        width = self._network.width
        if self._real.count <= width:
            raise OptionError(
                f"{self._real.count} frames are too few for the covariance of {width} features.",
                f"Measure {width + 1} or more.",
            )
        reference = Reference(self._real)
        return {name: reference.distance(moments) for name, moments in self._made.items()}

    def _of(self, method: str) -> Moments:
        """Scores gathered of a method."""
        return self._made.setdefault(method, Moments(self._network.width))

    def _add(self, moments: Moments, frames: Iterable[np.ndarray], times: int = 1) -> None:
        """Describe frames."""
        for features in self._network.features(frames):
            moments.add(features, times)
