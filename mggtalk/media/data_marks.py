"""Marks of files that are neither pictures nor recordings: avatars, motions, splats and heads for the web.

Read with plain Python, a few thousand bytes at most: nothing of a file is believed or unpacked.
"""

from __future__ import annotations

import html
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path

from mggtalk.media.files import PathLike

MOST = 4 << 20
"""Bytes of a header that are read, at most."""


def read_data_mark(path: PathLike) -> str | None:
    """The mark of a data file, and who agreed where it says so.

    Returns:
        Its text, empty if it carries none; None if the file is of another kind.
    """
    file = Path(path)
    with file.open("rb") as stream:
        start = stream.read(64)
        if start[:4] == b"ply\n":
            return _of_splats(start + stream.read(4096))
        if start.lstrip()[:9].lower() == b"<!doctype":
            return _of_page(start + stream.read(16384))
        if start[:4] == b"PK\x03\x04":
            return _of_motion(file)
        if start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= MOST:
            length = int(struct.unpack("<Q", start[:8])[0])
            return _of_metadata((start + stream.read(length))[8 : 8 + length])
        if start.lstrip()[:1] == b"{":
            return _of_header(start + stream.read(MOST))
    return None


def _of_splats(data: bytes) -> str:
    """Of a ``.ply``: a comment in its header."""
    lines = data.partition(b"end_header")[0].decode("ascii", "replace").splitlines()
    return " ".join(line.removeprefix("comment ") for line in lines if line.startswith("comment "))


def _of_page(data: bytes) -> str:
    """Of an HTML file: what its head says of the program that made it."""
    text = data.decode("utf-8", "replace")
    found = [re.search(rf'<meta name="{name}" content="([^"]*)"', text) for name in ("generator", "consent")]
    return " ".join(html.unescape(match[1]) for match in found if match)


def _of_metadata(data: bytes) -> str | None:
    """Of safetensors."""
    try:
        metadata = json.loads(data).get("__metadata__", {})
        parts = [str(metadata.get("made", "")), str(metadata.get("consent", ""))]
        facts = json.loads(metadata.get("facts", "{}"))
        parts.append(str(facts.get("consent", "")) if isinstance(facts, dict) else "")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return " ".join(part for part in parts if part)


def _of_header(data: bytes) -> str | None:
    """Of a head for developers."""
    try:
        header = json.loads(data)
        return (
            f"{header['made']} {header.get('consent', '')}".strip() if header.get("format") == "mggtalk-head" else None
        )
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None


def _of_motion(file: Path) -> str | None:
    """Of a motion file: a NumPy array of one text."""
    try:
        with zipfile.ZipFile(file) as archive:
            if "expression.npy" not in archive.namelist():
                return None
            if "made.npy" not in archive.namelist():
                return ""
            with archive.open("made.npy") as stream:
                data = stream.read(8192)
    except (zipfile.BadZipFile, OSError, zlib.error, NotImplementedError, RuntimeError, KeyError):
        return None
    return data.partition(b"\n")[2].decode("utf-32-le", "replace").strip("\0")
