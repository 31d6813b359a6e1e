"""Files that are made to do harm, for the tests of whatever reads what strangers upload. Nothing here is a fixture."""

from __future__ import annotations

import io
import struct
import subprocess
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mggtalk.media.ffmpeg import executable

SECRET = b"this is not yours to read"
"""What the files that playlists point to contain, beside a real video."""


class Hostile(NamedTuple):
    """A file, and what has to be said about it."""

    path: Path
    words: str  # regular expression that the message must match


def hostile_images(folder: Path) -> dict[str, Hostile]:
    """Portraits that must be refused, by name."""
    picture = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture, "PNG")
    whole = picture.getvalue()
    return _written(
        folder,
        {
            "no bytes": ("none.png", b"", "empty"),
            "truncated": ("cut.png", whole[: len(whole) // 2], "damaged or cut off"),
            "only a header": ("head.png", whole[:20], "damaged|no picture"),
            "65000 x 1": ("strip.png", png(65000, 1), "65000 x 1 pixels"),
            "decompression bomb": ("bomb.png", png(30000, 30000), "900.* million pixels"),
            "text": ("text.png", b"this is no picture\n" * 20, "no picture of a kind"),
            "program": ("page.png", b"<svg onload='alert(1)' xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
            "video as picture": ("video.png", small_video(folder), "no picture|HEIC"),
            "PostScript": ("script.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n", "no picture"),
            "line break in its name": ("a\nb.png", b"text", "no picture"),
        },
    )


def hostile_videos(folder: Path) -> dict[str, Hostile]:
    """Driving videos that must be refused, by name. Playlists point to a real video beside them."""
    video = small_video(folder)
    (folder / "secret.mp4").write_bytes(video)
    (folder / "secret.txt").write_bytes(SECRET)
    secret = (folder / "secret.mp4").absolute()
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"
    text = (folder / "secret.txt").absolute()
    read = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nconcat:{text}|file://{text}\n#EXT-X-ENDLIST\n"
    dash = f'<?xml version="1.0"?>\n<!-- x -->\n<MPD><Period><BaseURL>{secret}</BaseURL></Period></MPD>\n'
    return _written(
        folder,
        {
            "no bytes": ("none.mp4", b"", "empty"),
            "truncated": ("cut.mp4", video[: len(video) // 2], "cut off"),
            "only a header": ("head.mp4", video[:40], "cannot be read|cut off"),
            "HLS playlist": ("hls.mp4", hls.encode(), "playlist"),
            "HLS playlist that reads a text": ("read.mp4", read.encode(), "playlist"),
            "HLS playlist after a line": ("late.mp4", b"\n\n  " + hls.encode(), "playlist"),
            "HLS playlist in a text": ("deep.mp4", b"x\n" + hls.encode(), "cannot be read"),
            "ffconcat": ("concat.mp4", f"ffconcat version 1.0\nfile '{secret}'\n".encode(), "playlist"),
            "DASH": ("dash.mp4", dash.encode(), "playlist|cannot be read"),
            "SDP": ("sdp.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", "cannot be read"),
            "picture": ("picture.mp4", png(128, 128), "cannot be read|No face was found"),
            "text": ("text.mp4", b"this is no video\n" * 20, "cannot be read"),
            "recording": ("sound.mp4", wav(np.zeros(1600, "<f4")), "only sound"),
        },
    )


def hostile_sounds(folder: Path) -> dict[str, Hostile]:
    """Recordings that must be refused, by name."""
    endless = bytearray(wav(np.zeros(1600, "<f4")))
    endless[24:28] = struct.pack("<I", 1)  # a sample a second: half an hour in a few bytes
    (folder / "secret.txt").write_bytes(SECRET)
    playlist = f"#EXTM3U\n#EXTINF:1,\n{(folder / 'secret.txt').absolute()}\n"
    return _written(
        folder,
        {
            "no bytes": ("none.wav", b"", "empty"),
            "only a header": ("head.wav", wav(np.zeros(0, "<f4"))[:30], "cannot be read|no sound|no samples"),
            "no samples": ("short.wav", wav(np.zeros(0, "<f4")), "no samples|no sound|cannot be"),
            "NaN": ("nan.wav", wav(np.full(16000, np.nan, "<f4")), "NaN"),
            "infinity": ("inf.wav", wav(np.full(16000, np.inf, "<f4")), "NaN"),
            "one sample a second": ("slow.wav", bytes(endless), "1 samples a second"),
            "playlist": ("list.wav", playlist.encode(), "playlist"),
            "text": ("text.wav", b"this is no recording\n" * 20, "cannot be read"),
            "picture": ("picture.wav", png(128, 128), "cannot be read"),
        },
    )


def strange_names(folder: Path, suffix: str, content: bytes) -> list[Path]:
    """A good file under names that break careless programs; they must all be read."""
    long = "x" * (255 - len(suffix))
    names = ["日本 é 🗣️", "-i", "--help", "a:b;$(reboot)&|%03d*?", 'it\'s "q" `x`', "..", "<b>x<", "http:x", long]
    paths = [folder / f"{name}{suffix}" for name in names]
    for path in paths:
        path.write_bytes(content)
    return paths


def png(width: int, height: int) -> bytes:
    """A black one-bit PNG of any size, in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, left = zlib.compressobj(1), (width // 8 + 1) * height
    packed = bytearray()
    while left > 0:  # never the whole bomb in memory
        packed += packer.compress(bytes(min(left, 1 << 20)))
        left -= 1 << 20
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = bytes(packed) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def wav(samples: np.ndarray, rate: int = 16000) -> bytes:
    """A WAV of float samples ``[N]``, NaN and all."""
    data = np.asarray(samples, "<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def small_video(folder: Path) -> bytes:
    """Half a second of an ordinary MP4, with the index at its end."""
    path = folder / ".small.mp4"
    source = ("-f", "lavfi", "-i", "testsrc=s=96x96:r=10:d=0.5", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
    subprocess.run([executable(), "-y", "-loglevel", "error", *source, str(path)], check=True, timeout=600)
    content = path.read_bytes()
    path.unlink()
    return content


def _written(folder: Path, files: dict[str, tuple[str, bytes, str]]) -> dict[str, Hostile]:
    """Write files and list them."""
    listed = {}
    for what, (name, content, words) in files.items():
        (folder / name).write_bytes(content)
        listed[what] = Hostile(folder / name, words)
    return listed
