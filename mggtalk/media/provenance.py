"""The mark that says a file was made by a machine, and reading it back.

Videos carry it as their container's comment; stills as a text chunk (PNG), a comment (GIF) or in EXIF (JPEG, WebP).
PNGs also hold an XMP packet with IPTC's digital source type, which other programs look for.
"""

from __future__ import annotations

import re
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from mggtalk import __version__
from mggtalk.errors import MediaError
from mggtalk.media.ffmpeg import input_arguments, run
from mggtalk.media.files import PathLike, check_readable

MARK_PREFIX = "AI-made with MGGTalk"
"""Start of every mark."""

MARK = f"{MARK_PREFIX} {__version__}: a synthetic portrait, not a recording of a person."
"""The whole mark."""


def mark_text(statement: str | None = None) -> str:
    """The mark, with the statement that was made to have no visible badge."""
    return MARK if statement is None else f"{MARK} Without a badge: {statement}."


SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model."""

STILL_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" rdf:about="" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta>'
)


def mark_video(text: str = MARK) -> list[str]:
    """Arguments that make ffmpeg write the mark."""
    return ["-metadata", f"comment={text}", "-metadata", "encoder=MGGTalk"]


def mark_png(text: str = MARK) -> PngInfo:
    """The mark as PNG text, for ``Image.save(..., pnginfo=...)``."""
    info = PngInfo()
    info.add_text("Comment", text)
    info.add_text("Software", f"MGGTalk {__version__}")
    info.add_itxt("XML:com.adobe.xmp", XMP)
    return info


def mark_exif(text: str = MARK) -> Image.Exif:
    """The mark as EXIF, for ``Image.save(..., exif=...)``."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    exif[ExifTags.Base.Software] = f"MGGTalk {__version__}"
    return exif


def read_mark(path: PathLike) -> str | None:
    """The mark of a video or still.

    Returns:
        Its text; None if the file carries none.

    Raises:
        MediaError: If it is neither a picture nor a media file that can be opened.
    """
    file = check_readable(path, "file")
    text = _still_comment(file)
    if text is None:
        text = _container_comment(file)
    return text if text.startswith(MARK_PREFIX) else None


def _still_comment(file: Path) -> str | None:
    """Comment of a still, empty if it has none; None if the file is no still."""
    try:
        with Image.open(file, formats=STILL_FORMATS) as image:
            told = image.info.get("Comment") or image.info.get("comment")  # PNG, GIF
            found = told or image.getexif().get(ExifTags.Base.ImageDescription) or ""
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{str(file)!r} is damaged: {error}.", "Copy or export it again.") from error
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def _container_comment(file: Path) -> str:
    """Comment of a video or recording, empty if it has none."""
    status, output, log = run([*input_arguments(file), "-map_metadata", "0", "-f", "ffmetadata", "pipe:1"])
    if status != 0 and not re.search(r"^Input #0,", log, re.MULTILINE):
        raise MediaError(f"{str(file)!r} is no picture, video or recording.", "Give one of these.")
    found = re.search(r"^comment=(.*)$", output.decode("utf-8", "replace"), re.MULTILINE | re.IGNORECASE)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""
