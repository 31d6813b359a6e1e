"""Running the ffmpeg that comes with imageio-ffmpeg: always a list of arguments, never a shell, never unguarded."""

from __future__ import annotations

import logging
import math
import re
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO

import imageio_ffmpeg

from mggtalk.errors import MediaError

logger = logging.getLogger(__name__)

VIDEO_FORMATS = "mov,matroska,avi,gif,mpegts,mpeg,flv,asf,ogg,mxf,h264,hevc,m4v,ivf,obu,dv,nut,apng,webp_anim"
SOUND_FORMATS = "wav,w64,mp3,flac,aac,aiff,amr,caf,au,ac3,eac3,wv,ape,tta,dts"
FORMATS = f"{VIDEO_FORMATS},{SOUND_FORMATS}"
"""Containers that are opened. Playlists (HLS, DASH, concat) are not among them: they name other files to be read."""

MOST_PIXELS = 40_000_000
"""Decoders give up before they make room for a larger picture, whatever the file promises."""

STALL_SECONDS = 60.0
"""A pipe that moves nothing for so long is taken for dead."""

COMMON = ("-nostdin", "-hide_banner", "-y")
NTSC_BASES = (12, 15, 24, 30, 48, 60, 90, 120, 240)


def executable() -> str:
    """Path of the ffmpeg program.

    Raises:
        MediaError: If the package brings none for this machine.
    """
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise MediaError(f"No ffmpeg program was found: {error}.", "Install imageio-ffmpeg anew.") from error


def input_arguments(path: Path) -> list[str]:
    """Arguments that open a user's file: by content, from the disk only, whatever its name looks like."""
    guards = ["-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS, "-max_pixels", str(MOST_PIXELS)]
    return [*guards, "-i", file_url(path)]


def file_url(path: Path) -> str:
    """A file name that ffmpeg takes for nothing else, even with a leading dash or a colon in it."""
    return f"file:{path.absolute()}"


def run(arguments: Sequence[str], given: bytes | None = None, timeout: float = 120.0) -> tuple[int, bytes, str]:
    """Run ffmpeg to its end.

    Args:
        arguments: After the program's name and the common flags.
        given: Bytes for its standard input.
        timeout: Most seconds on the wall clock.

    Returns:
        Exit status, standard output, standard error.

    Raises:
        MediaError: If it takes too long or cannot be started.
    """
    command = [executable(), *COMMON, *arguments]
    try:
        done = subprocess.run(
            command, input=given or b"", capture_output=True, timeout=timeout, check=False, start_new_session=True
        )
    except subprocess.TimeoutExpired as error:
        raise MediaError(f"ffmpeg did not finish within {timeout:.0f} s.", "Try a shorter file.") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"ffmpeg could not be run: {error}.", "Check the file's name and ffmpeg.") from error
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def last_line(text: str) -> str:
    """The last line of ffmpeg's log that says something, without addresses."""
    lines = [re.sub(r"^(?:\[[^\]]* @ 0x[0-9a-f]+\]\s*)+", "", line).strip() for line in text.splitlines()]
    vague = ("Conversion failed", "Last message repeated", "Error opening input file", "Error opening output file")
    lines = [line for line in lines if line and not line.startswith(vague)]
    return lines[-1][:200].rstrip(".") if lines else "it gave no reason"


def explain(log: str) -> str:
    """Why ffmpeg did not read a file, in plain words; its own are for the log."""
    logger.info("ffmpeg said: %s", last_line(log))
    if "not on whitelist" in log:
        return "it is of a kind that is not read as video or sound"
    if "moov atom not found" in log:
        return "it is cut off or no video (its index is missing)"
    if "Permission denied" in log or "No such file" in log:
        return "it cannot be opened"
    if "Invalid data found" in log or "End of file" in log:
        return "it is no video or sound, or it is damaged"
    return "it is damaged, or of a kind that is not known here"


def frame_rate(fps: float | Fraction) -> Fraction:
    """The exact rate that a rounded figure stands for: 29.97 is 30000/1001, 25.0 is 25.

    Args:
        fps: Frames per second, to two decimals or better.
    """
    for base in NTSC_BASES:
        exact = Fraction(base * 1000, 1001)
        if abs(float(fps) - float(exact)) < 0.006:
            return exact
    nearest = round(float(fps))
    if nearest > 0 and abs(float(fps) - nearest) < 0.002:
        return Fraction(nearest)
    return Fraction(fps).limit_denominator(1001)


class FFmpegPipe:
    """A running ffmpeg with one raw pipe, which ends with this object.

    It is killed by :meth:`kill`, when this object is collected, and when the pipe moves nothing for ``stall_seconds``.

    Args:
        arguments: After the program's name and the common flags.
        writes: True to write to its standard input, False to read its standard output.
        stall_seconds: Longest wait for one read or write.
    """

    def __init__(self, arguments: Sequence[str], *, writes: bool, stall_seconds: float = STALL_SECONDS) -> None:
        log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        try:
            self._process = subprocess.Popen(
                [executable(), *COMMON, "-loglevel", "error", *arguments],
                stdin=subprocess.PIPE if writes else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if writes else subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: a writer may still want to finish
            )
        except (OSError, ValueError) as error:
            log.close()
            raise MediaError(f"ffmpeg could not be started: {error}.", "Check the file's name and ffmpeg.") from error
        self._guard = _StallGuard(self._process, stall_seconds)
        self._guard.start()
        self._log = log
        self._finalizer = weakref.finalize(self, _shut_down, self._process, self._guard, log)

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._finalizer.alive and self._process.poll() is None

    def read_into(self, buffer: memoryview) -> int:
        """Fill a flat byte buffer.

        Returns:
            Bytes read: less than its length only at the end of the stream.

        Raises:
            MediaError: If nothing comes for too long.
        """
        stream = self._process.stdout
        assert stream is not None
        filled = 0
        while filled < len(buffer):
            self._guard.arm()
            count = stream.readinto(buffer[filled:])  # type: ignore[attr-defined]
            self._guard.disarm()
            if not count:
                break
            filled += count
        self._check_stall()
        return filled

    def write(self, data: memoryview) -> None:
        """Hand over bytes.

        Raises:
            MediaError: If ffmpeg has died, with the last line that it wrote.
        """
        stream = self._process.stdin
        assert stream is not None
        self._guard.arm()
        try:
            stream.write(data)
        except (OSError, ValueError) as error:
            self._check_stall()
            self._process.wait()
            problem = f"ffmpeg stopped while writing: {last_line(self.log())}."
            raise MediaError(problem, "Check the disk's free space and try again.") from error
        finally:
            self._guard.disarm()

    def wait(self) -> int:
        """Close the pipe and wait for the process to end by itself.

        Returns:
            Its exit status.

        Raises:
            MediaError: If it does not end.
        """
        stream = self._process.stdin or self._process.stdout
        assert stream is not None
        self._guard.arm()
        try:
            stream.close()
        except OSError:  # it has died; the exit status tells
            self._process.kill()
        status = self._process.wait()
        self._guard.disarm()
        self._check_stall()
        return status

    def log(self) -> str:
        """The end of what ffmpeg has written to its standard error."""
        end = self._log.seek(0, 2)
        self._log.seek(max(0, end - 8192))
        return self._log.read().decode("utf-8", "replace")

    def kill(self) -> None:
        """End the process at once. May be called again."""
        self._finalizer()

    def _check_stall(self) -> None:
        if self._guard.tripped:
            problem = f"ffmpeg did not move for {self._guard.seconds:g} s and was stopped."
            raise MediaError(problem, "The file may be damaged: convert it to MP4 and try again.")


class _StallGuard(threading.Thread):
    """Kills a process whose armed deadline has passed."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        super().__init__(name="ffmpeg-guard", daemon=True)
        self.seconds = seconds
        self.tripped = False
        self._process = process
        self._deadline = math.inf
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look at the deadline now and then."""
        while not self._stopped.wait(min(1.0, self.seconds / 4)):
            if time.monotonic() > self._deadline:
                self.tripped = True
                self._process.kill()
                return

    def arm(self) -> None:
        """Start the clock."""
        self._deadline = time.monotonic() + self.seconds

    def disarm(self) -> None:
        """Stop the clock."""
        self._deadline = math.inf

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()


def _shut_down(process: subprocess.Popen[bytes], guard: _StallGuard, log: IO[bytes]) -> None:
    """Kill, reap, close."""
    guard.stop()
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # unwritten bytes of a dead pipe
                continue
    process.wait()
    log.close()
