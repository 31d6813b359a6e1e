"""Writing videos frame by frame."""

from __future__ import annotations

import contextlib
import weakref
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from mggtalk.errors import MediaError
from mggtalk.media.badge import check_statement
from mggtalk.media.containers import CONTAINERS, Coding
from mggtalk.media.ffmpeg import FFmpegPipe, file_url, frame_rate, input_arguments, last_line, run
from mggtalk.media.files import PathLike, check_readable, check_writable
from mggtalk.media.marks import check_frame, mark_frame
from mggtalk.media.probe import probe
from mggtalk.media.provenance import mark_text, mark_video
from mggtalk.media.sound import Sound
from mggtalk.runtime.files import temporary_beside

VIDEO_SUFFIXES = tuple(CONTAINERS)
"""Endings that are written."""

SOUND_RATE = 48000
"""Sampling rate of the sound in the file, Hz; every browser plays it."""

COLOURS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
TO_YUV = "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"

CODING = Coding()


class VideoWriter:
    """A video, written one frame at a time.

    An MP4 plays in every browser (H.264 yuv420p, AAC, index at the front); a WebM (VP9, Opus) and a MOV (ProRes 4444)
    hold transparency. The file appears under its name when it is complete; before that, and for ever if an exception
    ends the ``with`` block, there is nothing. It says that it is AI-made in its metadata, by a visible badge and by an
    invisible watermark; the frames that are given stay as they are. Odd sizes, which H.264 cannot have here, are padded
    to even ones by repeating the last column or row.

    Args:
        path: Ends in ``.mp4``, ``.webm`` or ``.mov``. An existing file is replaced at the end.
        width: Of the frames, pixels.
        height: Of the frames, pixels.
        fps: Frames per second; 29.97 means 30000/1001.
        sound: A file with sound, or samples. It starts with the first frame, and is cut, or continued with silence,
            to the length of the frames.
        coding: How x264 codes them, in an MP4.
        no_badge: A statement that leaves the visible badge out, and is noted in the metadata: see
            :func:`~mggtalk.media.badge.check_statement`.
        watermark: False leaves the invisible watermark out; for videos that are not made by the pipeline.
        transparent: Whether frames have a fourth channel, straight alpha.

    Raises:
        MediaError: If the file cannot be written, or the sound cannot be read: told here, before any frame is made.
        OptionError: If the statement is another one, or the file holds no transparency.
    """

    def __init__(  # noqa: PLR0913  options of a file that is written
        self,
        path: PathLike,
        width: int,
        height: int,
        fps: float | Fraction,
        sound: PathLike | Sound | None = None,
        coding: Coding = CODING,
        no_badge: str | None = None,
        watermark: bool = True,
        transparent: bool = False,
    ) -> None:
        self._statement = check_statement(no_badge)
        self._watermark = watermark
        self.path = check_writable(path, VIDEO_SUFFIXES)
        if min(width, height) < 1 or not 0 < fps <= 1000:
            problem = f"A video of {width} x {height} pixels at {fps} frames a second cannot be written."
            raise MediaError(problem, "Choose a size of 2 or more and a rate of 1 to 120.")
        self.width, self.height = int(width), int(height)
        self.rate = frame_rate(fps)
        self.frames = 0
        self._sound = self._checked_sound(sound)
        suffix = self.path.suffix.lower()
        self._container = CONTAINERS[suffix]
        self._channels = 4 if transparent else 3
        codec, layout = self._container.pictures(coding, transparent)
        self._pictures = temporary_beside(self.path, f".pictures{suffix}")
        self._complete = temporary_beside(self.path, f".complete{suffix}")
        size = f"{self.width + self.width % 2}x{self.height + self.height % 2}"
        rate = f"{self.rate.numerator}/{self.rate.denominator}"
        source = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgba" if transparent else "rgb24",
            "-s",
            size,
            "-r",
            rate,
            "-i",
            "pipe:0",
        ]
        options = ["-vf", f"{TO_YUV},format={layout}", *COLOURS, *codec]
        target = ["-f", self._container.format, file_url(self._pictures)]
        self._pipe = FFmpegPipe([*source, *options, *target], writes=True)
        self._cleanup = weakref.finalize(self, _remove, self._pipe, (self._pictures, self._complete))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()

    def write(self, frame: np.ndarray) -> None:
        """Add a frame.

        Args:
            frame: uint8 ``[height, width, 3]`` RGB, or ``[height, width, 4]`` with straight alpha.

        Raises:
            MediaError: If it has another type or size, or ffmpeg has died (a full disk, say).
        """
        check_frame(frame, (self.height, self.width, self._channels), "video")
        if not self._cleanup.alive:
            raise MediaError(f"The video {str(self.path)!r} is closed already.", "Make a new writer.")
        frame = mark_frame(frame, badge=self._statement is None, watermark=self._watermark)
        if self.width % 2 or self.height % 2:
            frame = np.pad(frame, ((0, self.height % 2), (0, self.width % 2), (0, 0)), mode="edge")  # even H, W
        self._pipe.write(np.ascontiguousarray(frame).reshape(-1).data)
        self.frames += 1

    def finish(self) -> Path:
        """Complete the file with the frames that there are. May be called again, and before all were written.

        Returns:
            The path.

        Raises:
            MediaError: If there is no frame, or ffmpeg fails.
        """
        if not self._cleanup.alive:
            return self.path
        try:
            if self.frames == 0:
                raise MediaError(f"No frame was made for {str(self.path)!r}.", "Give a longer motion or sound.")
            if self._pipe.wait() != 0:
                raise self._failed(self._pipe.log())
            self._mux()
            self._complete.replace(self.path)
        except OSError as error:
            raise self._failed(str(error)) from error
        finally:
            self._cleanup()
        return self.path

    def abort(self) -> None:
        """Give up: leave nothing behind. May be called again."""
        self._cleanup()

    def _checked_sound(self, sound: PathLike | Sound | None) -> Path | Sound | None:
        """The sound, once it is sure that it can be used."""
        if sound is None:
            return None
        if isinstance(sound, Sound):
            usable = isinstance(sound.samples, np.ndarray) and sound.samples.ndim == 1 and len(sound.samples) > 0
            if not usable or not np.isfinite(sound.samples).all() or sound.rate < 1:
                raise MediaError("The sound has no usable samples.", "Give float samples [N] without NaN.")
            return sound
        file = check_readable(sound, "recording")
        if self.path.exists() and self.path.samefile(file):
            problem = f"The output {str(self.path)!r} is the file that the sound comes from."
            raise MediaError(problem, "Choose another name.")
        if not probe(file).has_sound:
            raise MediaError(f"{str(file)!r} has no sound.", "Give a recording, or leave the sound out.")
        return file

    def _mux(self) -> None:
        """Copy the pictures and add sound of the same length, the mark, and the index at the front."""
        seconds = float(self.frames / self.rate)
        given: bytes | None = None
        arguments = ["-loglevel", "error", "-i", file_url(self._pictures)]
        if isinstance(self._sound, Sound):
            given = np.ascontiguousarray(self._sound.samples, "<f4").tobytes()
            arguments += ["-f", "f32le", "-ar", str(self._sound.rate), "-ac", "1", "-i", "pipe:0"]
        elif self._sound is not None:
            arguments += input_arguments(self._sound)
        arguments += ["-map", "0:v:0", "-c:v", "copy"]
        if self._sound is not None:
            arguments += ["-map", "1:a:0", "-af", sound_filters(seconds), *self._container.sound]
        arguments += ["-map_metadata", "-1", "-map_chapters", "-1", *mark_video(mark_text(self._statement))]
        arguments += self._container.flags
        if self._channels == 4:
            arguments += ["-metadata:s:v:0", "alpha_mode=1"]
        arguments += ["-f", self._container.format, file_url(self._complete)]
        status, _, log = run(arguments, given, timeout=600.0)
        if status != 0:
            raise self._failed(log)

    def _failed(self, log: str) -> MediaError:
        problem = f"The video {str(self.path)!r} could not be written: {last_line(log)}."
        return MediaError(problem, "Check the disk's free space and try again.")


def sound_filters(seconds: float) -> str:
    """The chain that brings any sound to :data:`SOUND_RATE`, one or two channels, and exactly this length.

    The length is always bounded: silence without an end, stopped by the pictures, is made faster than it is used while
    the first picture is waited for, until ffmpeg's queues are full and it gives up with "No space left on device".
    """
    length = f"apad=whole_dur={seconds:.6f},atrim=end={seconds:.6f}"
    return f"aresample={SOUND_RATE}:async=1:first_pts=0,aformat=channel_layouts=mono|stereo,{length}"


def _remove(pipe: FFmpegPipe, files: tuple[Path, ...]) -> None:
    """End ffmpeg and remove what it has written."""
    pipe.kill()
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
