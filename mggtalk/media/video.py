"""Reading videos frame by frame."""

from __future__ import annotations

import logging
import math
import re
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media.ffmpeg import STALL_SECONDS, FFmpegPipe, explain, frame_rate, input_arguments, last_line
from mggtalk.media.files import PathLike, check_readable, tell_excess
from mggtalk.media.probe import Header, Scan, probe, scan

logger = logging.getLogger(__name__)

SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"


class VideoReader:
    """The frames of a video file, decoded while they are read: uint8 ``[height, width, 3]`` RGB.

    Frames are upright (rotation metadata is applied), have square pixels and follow each other at one constant rate,
    beginning at the file's time 0, where its sound begins as well. Each ``for`` loop decodes the file anew. Make one
    with :func:`open_video`; use it in a ``with`` block, or let it be collected: no process outlives it.

    Attributes:
        path: The file.
        width: Pixels, as displayed.
        height: Pixels, as displayed.
        rate: Exact frames per second: 30000/1001 for 29.97.
        duration: Seconds, by the file's time stamps.
        frame_count: About how many frames will come.
        has_sound: Whether it has sound as well.
    """

    def __init__(self, path: Path, header: Header, packets: Scan, config: MediaConfig) -> None:
        self.path = path
        self.width, self.height = _display_size(header, packets)
        self.rate = _reduce(frame_rate(packets.fps), config.max_fps)
        self.duration = packets.seconds
        self.frame_count = max(1, round(packets.seconds * self.rate))
        self.has_sound = header.has_sound
        self._filters = _filters(header, self.rate, self.width, self.height)
        self._most_frames = math.ceil((config.max_video_seconds + 1) * self.rate)
        self._pipes: weakref.WeakSet[FFmpegPipe] = weakref.WeakSet()

    @property
    def fps(self) -> float:
        """Frames per second; 29.97... stays what it is."""
        return float(self.rate)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all decoding that is under way."""
        for pipe in list(self._pipes):
            pipe.kill()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode from the beginning.

        Yields:
            Frames, uint8 ``[height, width, 3]``; each is an array of its own.

        Raises:
            MediaError: If decoding fails or stalls, or a good part of the frames is missing.
        """
        output = ["-map", "0:V:0", "-an", "-sn", "-dn", "-vf", self._filters]
        output += ["-fps_mode", "passthrough", "-frames:v", str(self._most_frames)]
        limit = ["-t", f"{float(self._most_frames / self.rate):.3f}"]  # a broken time stamp must not ask for years
        arguments = [*limit, *input_arguments(self.path), *output, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
        pipe = FFmpegPipe(arguments, writes=False, stall_seconds=STALL_SECONDS)
        self._pipes.add(pipe)
        count = 0
        try:
            while True:
                frame = np.empty((self.height, self.width, 3), np.uint8)  # [H, W, 3]
                if pipe.read_into(frame.reshape(-1).data) < frame.nbytes:
                    break
                count += 1
                yield frame
            pipe.wait()
            self._check_count(count, pipe.log())
        finally:
            pipe.kill()

    def _check_count(self, count: int, log: str) -> None:
        """Compare the frames that came with those that were announced."""
        if count >= self._most_frames:
            raise MediaTooLongError(f"The video {str(self.path)!r} is longer than it says.", "Cut it shorter.")
        if count < 0.5 * self.frame_count - 1 or count == 0:
            problem = f"Only {count} of {self.frame_count} frames of {str(self.path)!r} could be decoded"
            raise MediaError(f"{problem}: {explain(log)}.", "Convert it to MP4 (H.264) and try again.")
        if log.strip():
            logger.warning("%s is damaged at places: %s", self.path, last_line(log))


def open_video(path: PathLike, config: MediaConfig | None = None) -> VideoReader:
    """Open a video (MP4, MOV, WebM, MKV, AVI, animated GIF, ...) after checking it.

    Args:
        path: The file. What it is, is told by its content; playlists are refused.
        config: Limits on length, size and frame rate. A higher rate is divided by a whole number.

    Raises:
        MediaError: If it cannot be read, is cut off, or has no moving picture.
        MediaTooLongError: If it is too long or too large.
    """
    config = config or MediaConfig()
    file = check_readable(path, "video", config.max_video_megabytes)
    header, packets = scan(file, config.max_video_seconds + 2.0)
    if packets.seconds > config.max_video_seconds:
        seconds = max(packets.seconds, header.duration or 0.0)  # the packets were followed up to the limit only
        advice = f"Cut it to {config.max_video_seconds:g} s or less."
        raise MediaTooLongError(f"The video {str(file)!r} is {tell_excess(seconds)} s long.", advice)
    width, height = _display_size(header, packets)
    if max(width, height) > config.max_video_side:
        advice = f"Scale it down to {config.max_video_side} pixels on the longer side."
        raise MediaTooLongError(f"The video {str(file)!r} is {width} x {height} pixels.", advice)
    if width * height > config.max_video_megapixels * 1e6:
        problem = f"The video {str(file)!r} is {width} x {height} = {tell_excess(width * height / 1e6)} million pixels."
        raise MediaTooLongError(problem, f"Scale it down to {config.max_video_megapixels:g} million or fewer.")
    if re.search(r"smpte2084|arib-std-b67", header.details):
        logger.warning("%s is an HDR video; its colours are taken as they are and may look flat", file)
    reader = VideoReader(file, header, packets, config)
    logger.debug("%s: %d x %d, %.3f fps, %.2f s", file, width, height, reader.fps, reader.duration)
    return reader


def has_sound(path: PathLike) -> bool:
    """Whether a video or recording has a sound track.

    Raises:
        MediaError: If it cannot be read at all.
    """
    return probe(check_readable(path, "file")).has_sound


def _display_size(header: Header, packets: Scan) -> tuple[int, int]:
    """Width and height with square pixels, upright."""
    width, height = max(1, round(packets.width * packets.aspect)), packets.height
    return (height, width) if round(header.rotation / 90) % 2 else (width, height)


def _reduce(rate: Fraction, most: float) -> Fraction:
    """The rate over the smallest whole number that gets it under the limit."""
    return rate / math.ceil(float(rate) / most - 1e-3) if rate > most else rate


def _filters(header: Header, rate: Fraction, width: int, height: int) -> str:
    """The chain from decoded pictures (ffmpeg has turned them upright) to RGB frames."""
    chain = [f"fps={rate.numerator}/{rate.denominator}:start_time=0"]
    if re.search(r"\b(top|bottom) (first|coded first)", header.details):
        chain.insert(0, "yadif=deint=interlaced")
    scale = f"scale={width}:{height}:flags={SCALE_FLAGS}"
    pixels = re.search(r"\byuvj?\d\w*(\([^)]*\))?", header.details)
    if pixels and not re.search(r"\b(bt|smpte|fcc)", pixels[1] or ""):
        scale += f":in_color_matrix={'bt709' if height >= 720 else 'bt601'}"  # untagged: what players assume
    return ",".join([*chain, scale, "setsar=1", "format=rgb24"])
