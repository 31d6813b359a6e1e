"""Reading sound as mono float samples."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media.ffmpeg import FFmpegPipe, explain, input_arguments
from mggtalk.media.files import PathLike, check_readable, tell_excess
from mggtalk.media.probe import probe

logger = logging.getLogger(__name__)

LEAST_RATE = 4000
"""Samples a second that speech needs; with fewer, a few bytes hold minutes."""

SILENCE_PEAK = 1e-3
"""Recordings that never get louder (-60 dB) are taken for silent."""

BLOCK = 1 << 18
"""Samples that are read at a time."""

CANCELLED = 0.1
"""Energy of the mean of two channels, over the channels' own mean energy, under which they cancel each other: a cable
with two wires swapped, or a microphone that sends its signal once upright and once upside down."""


class Level(Protocol):
    """Sound with a length and a loudness."""

    @property
    def seconds(self) -> float:
        """Length."""

    @property
    def peak(self) -> float:
        """Largest absolute sample."""


class Sound(NamedTuple):
    """A mono recording."""

    samples: np.ndarray  # float32 [N] in [-1, 1]
    rate: int  # Hz

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        """Largest absolute sample."""
        return float(np.abs(self.samples).max()) if len(self.samples) else 0.0


def load_sound(path: PathLike, rate: int = 16000, config: MediaConfig | None = None) -> Sound:
    """Read a recording (WAV, FLAC, OGG, MP3, ...) or the sound of a video.

    Args:
        path: The file. Its sound begins at the time 0 of its frames.
        rate: Sampling rate to convert to, Hz.
        config: Limit on its length.

    Returns:
        The mean of its channels, or the louder one of two that cancel. Over-loud recordings are scaled to a peak of 1.
        It may be silent: see :func:`check_speech`.

    Raises:
        MediaError: If it cannot be read, has no sound, no samples, or samples that are no numbers.
        MediaTooLongError: If it is too long.
    """
    sound = Sound(np.concatenate([*read_sound(path, rate, config)]), rate)
    if sound.peak > 1.0:
        logger.info("%s is over-loud (peak %.2f) and was scaled", path, sound.peak)
        sound = Sound(sound.samples / np.float32(sound.peak), rate)
    return sound


def read_sound(path: PathLike, rate: int = 16000, config: MediaConfig | None = None) -> Iterator[np.ndarray]:
    """Read a recording piece by piece, however long it is.

    Args:
        path: See :func:`load_sound`.
        rate: Sampling rate to convert to, Hz.
        config: Limit on its length.

    Yields:
        Samples float32 ``[n]`` in order, at least one in all. An over-loud recording is not scaled.

    Raises:
        MediaError: If it cannot be read, has no sound, no samples, or samples that are no numbers.
        MediaTooLongError: If it is too long.
    """
    config = config or MediaConfig()
    file = check_readable(path, "recording", config.max_sound_megabytes)
    count = 0
    for samples in _decode(file, rate, config):
        count += len(samples)
        _check_length(count / rate, file, config)
        if not np.isfinite(samples).all():
            raise MediaError(
                f"The recording {str(file)!r} holds samples that are no numbers (NaN).", "Export it again."
            )
        yield samples
    if count == 0:
        raise MediaError(f"The recording {str(file)!r} has no samples (0.0 s).", "Record or export it again.")


class Extent(NamedTuple):
    """A :class:`Level`."""

    seconds: float
    peak: float


def level_of(blocks: Iterable[np.ndarray], rate: int) -> Extent:
    """Length and loudness of samples ``[n]`` that are read piece by piece and not kept."""
    count, peak = 0, 0.0
    for samples in blocks:
        count, peak = count + len(samples), max(peak, float(np.abs(samples).max(initial=0.0)))
    return Extent(count / rate, peak)


def check_speech(sound: Level) -> None:
    """Refuse a recording in which nothing can be heard.

    Raises:
        MediaError: If it is silent from end to end.
    """
    if sound.peak < SILENCE_PEAK:
        problem = f"The recording is silent (peak {sound.peak:.4f}) over its {sound.seconds:.1f} s."
        raise MediaError(problem, "Check the microphone, or give another recording.")


def _decode(file: Path, rate: int, config: MediaConfig) -> Iterator[np.ndarray]:
    """Decode with ffmpeg, a process of its own: float32 ``[n]`` at ``rate``."""
    header = probe(file)
    if not header.has_sound:
        raise MediaError(f"{str(file)!r} has no sound.", "Give a recording, or a video in which somebody speaks.")
    if header.sound_rate is not None and header.sound_rate < LEAST_RATE:
        problem = f"The recording {str(file)!r} has {header.sound_rate} samples a second, too few for speech."
        raise MediaError(problem, f"Give one of {LEAST_RATE} Hz or more.")
    if not header.has_video:
        _check_length(header.duration or 0.0, file, config)
    channels = 1 if header.mono else 2  # more are mixed down to a left and a right one
    mixing = f"aresample=osr={rate}:ochl={'mono' if header.mono else 'stereo'}:rematrix_maxval=1"
    if header.has_video:
        mixing += ":async=1:first_pts=0"  # in time with the pictures
    arguments = [*input_arguments(file), "-map", "0:a:0", "-vn", "-sn", "-dn", "-af", mixing]
    limit = f"{config.max_sound_seconds + 2:.3f}"
    pipe = FFmpegPipe([*arguments, "-t", limit, "-f", "f32le", "-c:a", "pcm_f32le", "pipe:1"], writes=False)
    try:
        read, frame, mix = 0, 4 * channels, Mix()
        while True:
            data = bytearray(frame * BLOCK)
            size = pipe.read_into(memoryview(data))
            read += size
            if size >= frame:
                samples = np.frombuffer(data, "<f4", size // frame * channels).reshape(-1, channels)  # [n, C]
                yield mix(samples) if channels > 1 else samples[:, 0].astype(np.float32, copy=False)  # [n]
            if size < len(data):
                break
        if pipe.wait() != 0 and read == 0:
            problem = f"The sound of {str(file)!r} cannot be decoded: {explain(pipe.log())}."
            raise MediaError(problem, "Convert it to WAV and try again.")
    finally:
        pipe.kill()


class Mix:
    """From two channels to one. What is done is decided by the first samples that are not silent, and kept."""

    def __init__(self) -> None:
        self._weights: np.ndarray | None = None  # [2]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """The mean ``[n]`` of two channels ``[n, 2]``, or the louder one if they cancel each other."""
        even = np.array((0.5, 0.5), np.float32)
        if self._weights is None and np.abs(samples).max(initial=0.0) >= SILENCE_PEAK:
            energy = np.square(samples, dtype=np.float64).mean(0)  # [2]
            mixed = float(np.square(samples @ even, dtype=np.float64).mean())
            alone = np.eye(2, dtype=np.float32)[int(energy.argmax())]
            self._weights = alone if mixed < CANCELLED * float(energy.mean()) else even
            if mixed < CANCELLED * float(energy.mean()):
                logger.info("the channels of the recording cancel each other; the louder one is taken")
        return samples @ (even if self._weights is None else self._weights)


def _check_length(seconds: float, file: Path, config: MediaConfig) -> None:
    """Compare a length with the limit."""
    if seconds > config.max_sound_seconds:
        advice = f"Cut it to {config.max_sound_seconds:g} s or less."
        raise MediaTooLongError(f"The recording {str(file)!r} is {tell_excess(seconds)} s long.", advice)
