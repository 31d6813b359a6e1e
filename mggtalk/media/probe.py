"""Contents of a media file: its header as ffmpeg reports it, and a count of its pictures without decoding them."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from mggtalk.errors import MediaError
from mggtalk.media.ffmpeg import explain, frame_rate, input_arguments, run
from mggtalk.media.stills import is_still

logger = logging.getLogger(__name__)

NO_TIME = -(2**62)
"""Time stamps below this mean that there is none."""

PLAYLIST = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:#EXTM3U|ffconcat|\[playlist\]|<MPD|<\?xml[^>]*>\s*<(?:MPD|playlist))", re.IGNORECASE
)
"""First bytes of playlists."""

READ = (
    "Give a video (MP4, MOV, WebM, MKV, AVI, MXF, MPEG, GIF, animated WebP or PNG) or a recording (WAV, MP3, M4A, "
    "FLAC, OGG, Opus, AIFF, CAF, AC-3, AMR)."
)
"""Advice to who gave something else."""

DAMAGE = re.compile(r"partial file|File ended prematurely|[Cc]orrupt")
STREAM = re.compile(r"^  Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\(\w+\))?: (Video|Audio): (.*)$")


@dataclass(frozen=True)
class Header:
    """Ask ffmpeg about a file by opening it."""

    duration: float | None  # seconds, of the longest stream; None where the file does not say
    has_video: bool  # moving pictures; cover art does not count
    has_sound: bool
    mono: bool  # one channel, of the first sound stream
    rotation: float  # degrees, of the display matrix of the first video stream
    fps: float | None  # the first video stream's rate, two decimals
    details: str  # the first video stream's line: codec, pixel format, colour space, field order
    sound_rate: int | None = None  # samples a second of the first sound stream


@dataclass(frozen=True)
class Scan:
    """The packets of the first video stream."""

    width: int  # pixels as coded, before rotation
    height: int
    aspect: Fraction  # width of a pixel over its height
    count: int  # pictures
    seconds: float  # from the first picture to the end of the last
    fps: float  # nominal rate


def probe(path: Path) -> Header:
    """Open a file and read its header.

    Raises:
        MediaError: If it is no media file, or a playlist.
    """
    _refuse_others(path)
    return _parse_header(run([*input_arguments(path)])[2], path)


def scan(path: Path, most_seconds: float) -> tuple[Header, Scan]:
    """Read a file's header and walk over the packets of its video, without decoding.

    Args:
        path: An ordinary file.
        most_seconds: Packets after this time are not visited.

    Raises:
        MediaError: If it is no media file, has no video, or is cut off.
    """
    _refuse_others(path)
    arguments = [*input_arguments(path), "-map", "0:V:0", "-c", "copy", "-t", f"{most_seconds:.3f}"]
    _, output, log = run([*arguments, "-f", "framecrc", "pipe:1"])
    header = _parse_header(log, path)
    if not header.has_video:
        what = "only sound" if header.has_sound else "no picture"
        raise MediaError(f"{str(path)!r} holds {what}, no video.", "Give a file with moving pictures.")
    result = _parse_packets(output.decode("ascii", "replace"), header, path)
    promised = min(header.duration or 0.0, most_seconds)
    if DAMAGE.search(log):
        if result.seconds < 0.95 * promised:
            problem = f"{str(path)!r} is cut off: only {result.seconds:.1f} of {promised:.1f} s are there."
            raise MediaError(problem, "Copy or download it again.")
        logger.warning("%s is damaged at places", path)
    return header, result


def _refuse_others(path: Path) -> None:
    """Refuse stills, and files that name other files to be read, whatever their ending is."""
    with path.open("rb") as file:
        head = file.read(512)
    if PLAYLIST.match(head):
        problem = f"{str(path)!r} is a playlist, a text that names other files; these are not opened."
        raise MediaError(problem, "Give the video or recording itself.")
    if is_still(path):
        raise MediaError(f"{str(path)!r} cannot be read: it is a picture that does not move.", READ)


def _parse_header(log: str, path: Path) -> Header:
    """Header from ffmpeg's log; only its part about the input is looked at."""
    if not re.search(r"^Input #0,", log, re.MULTILINE):
        raise MediaError(f"{str(path)!r} cannot be read: {explain(log)}.", READ)
    lines = re.split(r"^(?:Stream mapping:|Output #0)", log, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    duration = re.search(r"^  Duration: (\d+):(\d+):(\d+\.\d+)", "\n".join(lines), re.MULTILINE)
    details, rotation, inside, has_sound, mono = "", 0.0, False, False, False
    hertz: re.Match[str] | None = None
    for line in lines:
        stream = STREAM.match(line)
        if stream:
            inside = False
            if stream[1] == "Audio":
                hertz = hertz if has_sound else re.search(r", (\d+) Hz\b", stream[2])
                mono = mono if has_sound else re.search(r", (mono|1 channels)\b", stream[2]) is not None
                has_sound = True
            elif not details and not re.search(r"\((attached pic|timed thumbnails)\)", line):
                details, inside = stream[2], True
        turn = re.match(r"^ {6,}Display Matrix: rotation of (-?\d+\.\d+) degrees", line) if inside else None
        rotation = float(turn[1]) if turn else rotation
    rate = re.search(r", (\d+(?:\.\d+)?) fps\b", details)
    return Header(
        duration=int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None,
        has_video=bool(details),
        has_sound=has_sound,
        mono=mono,
        rotation=rotation,
        fps=float(rate[1]) if rate else None,
        details=details,
        sound_rate=int(hertz[1]) if hertz else None,
    )


def _parse_packets(text: str, header: Header, path: Path) -> Scan:
    """Sizes and time stamps from the lines of ffmpeg's ``framecrc`` output."""
    tick = re.search(r"^#tb 0: (\d+)/(\d+)", text, re.MULTILINE)
    size = re.search(r"^#dimensions 0: (\d+)x(\d+)", text, re.MULTILINE)
    aspect = re.search(r"^#sar 0: (\d+)/(\d+)", text, re.MULTILINE)
    rows = [line.split(",", 4)[1:4] for line in text.splitlines() if line.startswith("0,")]
    if not tick or not size or not rows or int(size[1]) * int(size[2]) == 0:
        raise MediaError(f"{str(path)!r} holds no picture (0 frames).", "Export the video again, as MP4.")
    table = np.array(rows, dtype=np.int64)  # [T, 3] decoding time, display time, duration in ticks
    shown = table[:, 1] if (table[:, 1] > NO_TIME).all() else table[:, 0]  # [T]
    unit = int(tick[1]) / int(tick[2])
    times = np.sort(shown) * unit  # [T] seconds
    fps = _nominal_rate(times, unit, header.fps)
    held = float(table[np.argmax(shown), 2]) * unit  # how long the last picture stays
    square = aspect is None or 0 in (int(aspect[1]), int(aspect[2]))
    return Scan(
        width=int(size[1]),
        height=int(size[2]),
        aspect=Fraction(1) if square or aspect is None else Fraction(int(aspect[1]), int(aspect[2])),
        count=len(times),
        seconds=float(times[-1] - times[0]) + max(1 / fps, held),
        fps=fps,
    )


def _nominal_rate(times: np.ndarray, tick: float, stated: float | None) -> float:
    """The constant rate that fits time stamps best.

    Even stamps give their mean rate. Uneven ones give the rate of their usual step when most frames keep to it (a phone
    that dropped some), and the mean rate otherwise.

    Args:
        times: Display times ``[T]`` in seconds, sorted.
        tick: Unit of the time stamps in seconds.
        stated: What the header says, two decimals.
    """
    steps = np.diff(times)  # [T - 1]
    steps = steps[steps > 0]
    if len(steps) == 0:
        return float(frame_rate(stated)) if stated else 25.0
    mean = float(steps.mean())
    if np.abs(steps - mean).max() <= max(1.01 * tick, 0.1 * mean):
        close = stated is not None and abs(stated * mean - 1) < 0.005 + tick / (len(steps) * mean)
        return float(frame_rate(stated if close and stated else _round(1 / mean)))
    usual = float(steps[np.abs(steps - np.median(steps)) <= 0.25 * np.median(steps)].mean())
    return float(frame_rate(_round(1 / usual if mean <= 1.5 * usual else 1 / mean)))


def _round(rate: float) -> float:
    """The whole number that a measured rate is within a thousandth of, or the rate itself."""
    return float(round(rate)) if abs(rate - round(rate)) < 8e-4 * rate else rate
