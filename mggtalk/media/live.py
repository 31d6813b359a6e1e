"""A video that can be watched while it is made: short pieces that players join without a seam."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from mggtalk.errors import MediaError
from mggtalk.media.ffmpeg import FFmpegPipe, file_url, frame_rate, input_arguments, last_line
from mggtalk.media.files import PathLike
from mggtalk.media.writer import COLOURS, TO_YUV, sound_filters

logger = logging.getLogger(__name__)

PIECE_SECONDS = 1.0
"""Length of a piece; the first is ready as soon as that much is rendered."""

PLAYLIST = "live.m3u8"


class Piece(NamedTuple):
    """A part of the video, in order."""

    path: Path  # MPEG transport stream: H.264, and AAC if there is sound
    seconds: float


class LiveVideo:
    """Writes frames as MPEG-TS pieces of about a second with running time stamps (HTTP live streaming).

    Pieces are for looking only: the file to keep is made by :class:`mggtalk.media.VideoWriter`.

    Args:
        folder: An empty folder for the pieces.
        width: Of the frames, pixels, even.
        height: Of the frames, pixels, even.
        fps: Frames per second.
        frames: How many frames there will be at most.
        sound: A file with sound, heard from the first frame on; cut, or continued with silence, to that length.

    Raises:
        MediaError: If ffmpeg cannot be started.
    """

    def __init__(
        self, folder: Path, width: int, height: int, fps: float | Fraction, frames: int, sound: PathLike | None = None
    ) -> None:
        self._folder = folder
        self._given = 0
        rate = frame_rate(fps)
        every = str(max(1, round(PIECE_SECONDS * rate)))
        arguments = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        arguments += ["-r", f"{rate.numerator}/{rate.denominator}", "-i", "pipe:0"]
        if sound is not None:
            arguments += input_arguments(Path(sound))
        arguments += ["-map", "0:v:0", "-vf", f"{TO_YUV},format=yuv420p", *COLOURS]
        arguments += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-crf", "23", "-threads", "1"]
        arguments += ["-g", every, "-keyint_min", every, "-sc_threshold", "0"]
        if sound is not None:
            filters = sound_filters(float(frames / rate))
            arguments += ["-map", "1:a:0", "-af", filters, "-c:a", "aac", "-b:a", "128k", "-shortest"]
        arguments += ["-f", "hls", "-hls_time", f"{PIECE_SECONDS * 0.98:g}", "-hls_list_size", "0"]
        arguments += ["-hls_playlist_type", "event", "-hls_flags", "temp_file"]
        arguments += ["-hls_segment_filename", file_url(folder / "piece%05d.ts"), file_url(folder / PLAYLIST)]
        self._pipe = FFmpegPipe(arguments, writes=True)

    def __enter__(self) -> LiveVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.kill()

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 ``[height, width, 3]``.

        Raises:
            MediaError: If ffmpeg has died.
        """
        self._pipe.write(np.ascontiguousarray(frame).reshape(-1).data)

    def finish(self) -> None:
        """Complete the last piece.

        Raises:
            MediaError: If ffmpeg fails.
        """
        if self._pipe.wait() != 0:
            problem = f"The live picture could not be made: {last_line(self._pipe.log())}."
            raise MediaError(problem, "Check the disk's free space and try again.")

    def new_pieces(self) -> Iterator[Piece]:
        """The pieces that were completed since the last call."""
        playlist = self._folder / PLAYLIST
        if not playlist.is_file():
            return
        entries = re.findall(r"#EXTINF:([\d.]+),\s*\n(\S+)", playlist.read_text())
        for seconds, name in entries[self._given :]:
            self._given += 1
            yield Piece(self._folder / Path(name).name, float(seconds))


class LivePreview:
    """A :class:`LiveVideo` beside a job that goes on without it.

    The first failure (no ffmpeg, a full disk, a sound that cannot be encoded) ends the preview: it is logged, later
    frames are dropped, and no further piece comes. Arguments as for :class:`LiveVideo`.
    """

    def __init__(
        self, folder: Path, width: int, height: int, fps: float | Fraction, frames: int, sound: PathLike | None = None
    ) -> None:
        self._live: LiveVideo | None = None
        self._attempt(lambda: self._start(LiveVideo(folder, width, height, fps, frames, sound)))

    def __enter__(self) -> LivePreview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 ``[height, width, 3]``."""
        if self._live is not None:
            live = self._live
            self._attempt(lambda: live.write(frame))

    def finish(self) -> None:
        """Complete the last piece."""
        if self._live is not None:
            self._attempt(self._live.finish)

    def take(self) -> list[tuple[bytes, float]]:
        """Content and seconds of the pieces that were completed since the last call; their files are removed."""
        taken: list[tuple[bytes, float]] = []

        def read(live: LiveVideo) -> None:
            for piece in live.new_pieces():
                taken.append((piece.path.read_bytes(), piece.seconds))
                piece.path.unlink()

        if self._live is not None:
            live = self._live
            self._attempt(lambda: read(live))
        return taken

    def _start(self, live: LiveVideo) -> None:
        self._live = live

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run a step; end the preview if it fails."""
        try:
            action()
        except (MediaError, OSError) as error:
            logger.warning("the live preview ended, the video is made without it: %s", error)
            if self._live is not None:
                self._live.__exit__(None, None, None)
                self._live = None
