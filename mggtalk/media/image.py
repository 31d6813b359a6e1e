"""Reading and writing stills."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media.badge import check_statement
from mggtalk.media.files import PathLike, check_readable, check_writable, tell_excess
from mggtalk.media.marks import lay_over, mark_frame
from mggtalk.media.provenance import mark_exif, mark_png, mark_text
from mggtalk.media.stills import BOMB, BROKEN, HEIC_BRANDS, NAMES, add_heif, kind_of, open_still
from mggtalk.runtime.files import whole_file

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Endings that :func:`save_image` writes."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Operation that undoes each EXIF orientation."""

PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def load_image(source: PathLike | Image.Image | np.ndarray, config: MediaConfig | None = None) -> np.ndarray:
    """Read a still as it is meant to be seen: upright, in sRGB, transparency laid over white.

    Args:
        source: A file (JPEG, PNG, WebP, HEIC, AVIF, BMP, TIFF, GIF), a Pillow image, or uint8 ``[H, W, 3]`` RGB.
        config: Limits on its size; checked from the header, before anything is decoded.

    Returns:
        uint8 ``[H, W, 3]`` RGB, a copy. 16-bit and float pictures are scaled, not clipped, to 8 bits; embedded colour
        profiles (CMYK, Display P3, ...) are converted to sRGB.

    Raises:
        MediaError: If it cannot be read, is damaged or too small, or an array has another type or shape.
        MediaTooLongError: If the file is too large or has too many pixels.
    """
    config = config or MediaConfig()
    if isinstance(source, np.ndarray):
        return _checked_array(source, config)
    if isinstance(source, Image.Image):
        return _decode(source, "The image", config)
    path = check_readable(source, "image", config.max_image_megabytes)
    with _open(path, config) as opened:
        return _decode(opened, f"The image {str(path)!r}", config)


def check_image(path: PathLike, config: MediaConfig | None = None) -> None:
    """Look at a still's header: what :func:`load_image` will refuse, but for damage in its middle.

    Raises:
        MediaError: If it cannot be read, is of another kind or too small.
        MediaTooLongError: If the file is too large or has too many pixels.
    """
    config = config or MediaConfig()
    file = check_readable(path, "image", config.max_image_megabytes)
    with _open(file, config) as opened:
        _check_size(opened.width, opened.height, f"The image {str(file)!r}", config)


def _open(path: Path, config: MediaConfig) -> Image.Image:
    """A still that is open and not decoded."""
    name = f"The image {str(path)!r}"
    try:
        return open_still(path)
    except BOMB as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        seen = f"{tell_excess(int(pixels[1]) / 1e6)} million" if pixels else "far too many"
        raise _too_large(name, seen, config) from error
    except UnidentifiedImageError as error:
        with path.open("rb") as file:
            raise _unknown(name, file.read(16)) from error
    except BROKEN as error:
        raise _damaged(name, error) from error


def save_image(path: PathLike, image: np.ndarray, no_badge: str | None = None, watermark: bool = True) -> None:
    """Write a still that says it is AI-made, by its metadata, a visible badge and an invisible watermark.

    Args:
        path: Ends in ``.png``, ``.jpg``, ``.jpeg`` or ``.webp``. It appears when it is complete.
        image: uint8 ``[H, W, 3]`` RGB, or ``[H, W, 4]`` with straight alpha, which a JPEG lays over white.
        no_badge: A statement that leaves the visible badge out, and is noted in the metadata: see
            :func:`~mggtalk.media.badge.check_statement`.
        watermark: False leaves the invisible watermark out; for stills that are not made by the pipeline.

    Raises:
        MediaError: If it cannot be written.
        OptionError: If the statement is another one.
    """
    statement = check_statement(no_badge)
    file = check_writable(path, IMAGE_SUFFIXES)
    if np.ndim(image) == 3 and image.shape[2] == 4 and file.suffix.lower() in (".jpg", ".jpeg"):
        image = lay_over(image)
    checked = _checked_shape(image, (3, 4))
    picture = Image.fromarray(mark_frame(checked, badge=statement is None, watermark=watermark))
    mark = mark_text(statement)
    try:
        with whole_file(file) as partial:
            if file.suffix.lower() == ".png":
                picture.save(partial, format="PNG", pnginfo=mark_png(mark))
            elif file.suffix.lower() == ".webp":
                picture.save(partial, format="WEBP", quality=92, exif=mark_exif(mark))
            else:
                picture.save(partial, format="JPEG", quality=95, subsampling=0, exif=mark_exif(mark))
    except (OSError, ValueError) as error:
        raise MediaError(f"The image {str(file)!r} cannot be written: {error}.", "Check the disk's space.") from error


def _decode(image: Image.Image, name: str, config: MediaConfig) -> np.ndarray:
    """Check the size, decode, turn upright, convert to RGB ``[H, W, 3]``."""
    _check_size(*image.size, name, config)
    try:
        image.load()
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        profile = image.info.get("icc_profile")
        upright = image.transpose(turn) if turn is not None else image
        return np.array(_to_rgb(upright, profile))  # [H, W, 3]
    except MediaError:
        raise
    except BROKEN as error:
        raise _damaged(name, error) from error


def _to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Any mode of Pillow to RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_bytes(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        colours = _apply_profile(layered.convert("RGB"), profile)
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(colours, mask=layered.getchannel("A"))
        return white
    if image.mode in ("1", "P", "LA", "La", "PA"):
        image = image.convert("RGB")
    return _apply_profile(image, profile)


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB by the embedded profile; by plain arithmetic if there is none, or it does not fit."""
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if PROFILE_SPACES.get(image.mode) != space or "sRGB" in (source.profile.profile_description or ""):
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Grey values of more than 8 bits, ``[H, W]``, to uint8 by the range that they are in."""
    grey = values.astype(np.float64)  # [H, W]
    if not np.isfinite(grey).all():
        raise MediaError("The image holds values that are no numbers (NaN).", "Export it again as PNG.")
    peak = float(grey.max())
    if values.dtype == np.uint16:
        full = 65535.0
    elif values.dtype.kind == "f":
        full = 1.0 if peak <= 1.0 else 255.0 if peak <= 255.0 else 65535.0
    else:
        full = 255.0 if peak <= 255.0 else 65535.0
    return np.clip(np.rint(grey * (255.0 / max(full, peak))), 0, 255).astype(np.uint8)  # [H, W]


def _checked_array(image: np.ndarray, config: MediaConfig) -> np.ndarray:
    """A copy of an array that may be used as it is."""
    _check_size(_checked_shape(image).shape[1], image.shape[0], "The image", config)
    return np.array(image, order="C")  # [H, W, 3]


def _checked_shape(image: np.ndarray, channels: tuple[int, ...] = (3,)) -> np.ndarray:
    """The array itself if it is uint8 ``[H, W, 3]``, in one piece."""
    right = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
    if not right or image.shape[2] not in channels:
        shape, dtype = list(np.shape(image)), getattr(image, "dtype", type(image).__name__)
        raise MediaError(f"The image is an array of {dtype} {shape}.", "Give uint8 [height, width, 3], RGB.")
    return np.ascontiguousarray(image)


def _check_size(width: int, height: int, name: str, config: MediaConfig) -> None:
    """Compare a size with the limits."""
    if width * height > config.max_image_megapixels * 1e6:
        raise _too_large(name, f"{width} x {height} = {tell_excess(width * height / 1e6)} million", config)
    if min(width, height) < config.min_image_side:
        advice = f"Use one of at least {config.min_image_side} pixels on each side."
        raise MediaError(f"{name} is only {width} x {height} pixels.", advice)


def _too_large(name: str, pixels: str, config: MediaConfig) -> MediaTooLongError:
    advice = f"Scale it down to {config.max_image_megapixels:g} million or fewer."
    return MediaTooLongError(f"{name} has {pixels} pixels.", advice)


def _damaged(name: str, error: Exception) -> MediaError:
    return MediaError(f"{name} is damaged or cut off ({str(error)[:120].rstrip('.')}).", "Copy or export it again.")


def _unknown(name: str, head: bytes) -> MediaError:
    advice = f"Use {NAMES}."
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        if add_heif():
            return MediaError(f"{name} is a HEIC picture that is damaged or cut off.", "Copy or export it again.")
        return MediaError(f"{name} is a HEIC picture.", f"Install the package pillow-heif to read it, or: {advice}")
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return MediaError(f"{name} is an AVIF picture that is damaged or cut off.", "Copy or export it again.")
    kind = kind_of(head)
    if kind is not None:
        return MediaError(f"{name} is no picture but a {kind}.", f"{advice} A video gives one if you save a frame.")
    return MediaError(f"{name} is no picture of a kind that is read.", advice)
