"""Kinds of video files that are written: their codecs, and which of them hold transparency."""

from __future__ import annotations

from typing import NamedTuple


class Coding(NamedTuple):
    """Settings of x264."""

    crf: int = 18  # quality, 0 (exact) to 51
    preset: str = "veryfast"  # its trade of time against size


class Container(NamedTuple):
    """A kind of video file, in ffmpeg's words."""

    format: str  # its muxer
    codec: tuple[str, ...]  # of the pictures
    layout: str  # of the pixels
    clear_layout: str | None  # of pixels with alpha; None: it holds none
    sound: tuple[str, ...]
    flags: tuple[str, ...] = ()

    def pictures(self, coding: Coding, transparent: bool) -> tuple[list[str], str]:
        """Arguments of the codec, and the layout of the pixels."""
        codec = list(self.codec)
        if self.codec[1] == "libx264":
            codec += ["-preset", coding.preset, "-crf", str(coding.crf)]
        return codec, (self.clear_layout or self.layout) if transparent else self.layout


VP9 = ("-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "5", "-row-mt", "1")

CONTAINERS = {
    ".mp4": Container(
        "mp4", ("-c:v", "libx264"), "yuv420p", None, ("-c:a", "aac", "-b:a", "160k"), ("-movflags", "+faststart")
    ),
    ".webm": Container(
        "webm", (*VP9, "-auto-alt-ref", "0"), "yuv420p", "yuva420p", ("-c:a", "libopus", "-b:a", "128k")
    ),
    ".mov": Container(
        "mov",
        ("-c:v", "prores_ks", "-profile:v", "4444", "-vendor", "apl0", "-alpha_bits", "16"),
        "yuv444p10le",
        "yuva444p10le",
        ("-c:a", "pcm_s16le"),
        ("-movflags", "+faststart"),
    ),
}
"""By their ending."""
