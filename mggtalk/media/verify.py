"""Whether a file says that it is AI-made: by its metadata, and by the watermark that outlives re-encoding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mggtalk.config import MediaConfig
from mggtalk.media.credentials import Credentials, read_credentials
from mggtalk.media.data_marks import read_data_mark
from mggtalk.media.files import PathLike, check_readable
from mggtalk.media.image import load_image
from mggtalk.media.probe import probe
from mggtalk.media.provenance import MARK_PREFIX, read_mark
from mggtalk.media.stills import is_still
from mggtalk.media.video import open_video

if TYPE_CHECKING:
    from mggtalk.media.watermark import Detection

MOST_FRAMES = 100
"""Frames of a video that are looked at, spread over its length."""


class Verification(NamedTuple):
    """Findings in a file."""

    mark: str | None  # the mark in its metadata
    watermark: Detection | None  # None where there is no picture
    credentials: Credentials | None = None  # a signed statement of C2PA

    @property
    def found(self) -> bool:
        """Whether anything says that it is AI-made."""
        return self.mark is not None or (self.watermark is not None and self.watermark.found)


def verify(path: PathLike, config: MediaConfig | None = None) -> Verification:
    """Look for the marks of this package.

    Args:
        path: A video, a still, a recording, an avatar, an adapter, a motion, splats or an exported head.
        config: Limits on its size and length.

    Raises:
        MediaError: If it is neither, is damaged, or exceeds the limits.
    """
    from mggtalk.media.watermark import detect  # numba: other readers of media need not wait for it

    config = config or MediaConfig(min_image_side=1)
    most = max(config.max_image_megabytes, config.max_video_megabytes, config.max_sound_megabytes)
    file = check_readable(path, "file", most)
    data_mark = read_data_mark(file)
    if data_mark is not None:
        return Verification(data_mark if data_mark.startswith(MARK_PREFIX) else None, None)
    credentials = read_credentials(file)
    if is_still(file):
        pictures: Iterator[np.ndarray] = iter([load_image(file, config)])
    elif probe(file).has_video:
        pictures = _spread(file, config)
    else:
        return Verification(read_mark(file), None, credentials)
    return Verification(read_mark(file), detect(pictures), credentials)


def _spread(path: PathLike, config: MediaConfig) -> Iterator[np.ndarray]:
    """Frames of a video, evenly spread."""
    with open_video(path, config) as reader:
        every = -(-reader.frame_count // MOST_FRAMES)
        yield from islice(reader, 0, None, every)
