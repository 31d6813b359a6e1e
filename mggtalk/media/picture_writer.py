"""Writing videos without sound as pictures: animated GIF and WebP, and numbered PNG files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from mggtalk.errors import MediaError
from mggtalk.media.badge import check_statement
from mggtalk.media.files import PathLike, check_writable
from mggtalk.media.marks import check_frame, mark_frame
from mggtalk.media.provenance import XMP, mark_exif, mark_png, mark_text
from mggtalk.runtime.files import whole_file

PICTURE_SUFFIXES = (".gif", ".webp", ".png")
"""Endings that are written."""

COLOURS = 255
"""Of a GIF; the last place of its palette is for what is transparent."""

PALETTE_FRAMES = 8
"""Frames, spread over a GIF, that its palette is made of."""

OPAQUE = 128
"""Alpha from which on a pixel of a GIF is there."""


class PictureWriter:
    """A film as pictures, one frame at a time. They appear under their names when all are complete.

    ``.gif`` and ``.webp`` are one animated file; ``.png`` becomes ``NAME_0000.png``, ``NAME_0001.png``, ... All say in
    their metadata that they are AI-made, and show the badge. Where a picture is transparent it keeps no watermark: only
    the person does; of a small person, or in the few colours of a GIF, it may be too weak to be found.

    Args:
        path: Ends in ``.gif``, ``.webp`` or ``.png``.
        width: Of the frames, pixels.
        height: Of the frames, pixels.
        fps: Frames per second; GIFs round the times of their frames to hundredths of a second.
        no_badge: See :class:`~mggtalk.media.writer.VideoWriter`.
        transparent: Whether frames have a fourth channel, straight alpha; of a GIF every pixel is there or not.

    Raises:
        MediaError: If it cannot be written.
        OptionError: If the statement is another one.
    """

    def __init__(
        self,
        path: PathLike,
        width: int,
        height: int,
        fps: float,
        no_badge: str | None = None,
        transparent: bool = False,
    ) -> None:
        self._statement = check_statement(no_badge)
        self.path = check_writable(path, PICTURE_SUFFIXES)
        self._expected = (height, width, 4 if transparent else 3)
        self.fps = float(fps)
        self.frames = 0
        self._done = False
        self._folder = tempfile.TemporaryDirectory(prefix=".mggtalk-", dir=self.path.absolute().parent)

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 ``[height, width, 3 or 4]``.

        Raises:
            MediaError: If it has another type or size, or the disk is full.
        """
        check_frame(frame, self._expected, "film")
        picture = Image.fromarray(mark_frame(frame, badge=self._statement is None))
        mark = mark_png(mark_text(self._statement))
        level = 6 if self.path.suffix.lower() == ".png" else 1
        try:
            picture.save(self._place(self.frames), format="PNG", pnginfo=mark, compress_level=level)
        except OSError as error:
            raise self._failed(error) from error
        self.frames += 1

    def finish(self) -> Path:
        """Complete the film with the frames that there are. May be called again.

        Returns:
            The path; of numbered files that of the first.

        Raises:
            MediaError: If there is no frame, or it cannot be written.
        """
        suffix = self.path.suffix.lower()
        first = numbered(self.path, 0) if suffix == ".png" else self.path
        if self._done:
            return first
        try:
            if self.frames == 0:
                raise MediaError(f"No frame was made for {str(self.path)!r}.", "Give a longer motion or sound.")
            if suffix == ".png":
                for index in range(self.frames):
                    self._place(index).replace(numbered(self.path, index))
            else:
                with whole_file(self.path) as partial:
                    (self._save_gif if suffix == ".gif" else self._save_webp)(partial)
        except (OSError, ValueError) as error:
            raise error if isinstance(error, MediaError) else self._failed(error) from error
        finally:
            self.abort()
        return first

    def abort(self) -> None:
        """Leave nothing behind but what is finished. May be called again."""
        self._done = True
        shutil.rmtree(self._folder.name, ignore_errors=True)
        self._folder.cleanup()

    def _place(self, index: int) -> Path:
        return Path(self._folder.name) / f"{index:06d}.png"

    def _pictures(self) -> Iterator[Image.Image]:
        """The frames from the disk."""
        for index in range(self.frames):
            with Image.open(self._place(index)) as picture:
                picture.load()
                yield picture

    def _durations(self, unit: int) -> list[int]:
        """Time of each frame in milliseconds, in steps of ``unit``, without drift."""
        ends = [round(1000.0 * index / self.fps / unit) * unit for index in range(self.frames + 1)]
        return [after - before for before, after in zip(ends, ends[1:])]

    def _save_webp(self, path: Path) -> None:
        """Write one animated WebP."""
        first, *rest = self._pictures()
        exif = mark_exif(mark_text(self._statement))
        first.save(
            path, format="WEBP", save_all=True, append_images=rest, duration=self._durations(1), loop=0, quality=90,
            method=2, exact=True, exif=exif, xmp=XMP.encode(), background=(0, 0, 0, 0),
        )  # fmt: skip

    def _save_gif(self, path: Path) -> None:
        """Write one animated GIF with one palette."""
        palette = self._palette()
        first, *rest = (_index(picture, palette) for picture in self._pictures())
        clear = {"transparency": COLOURS, "disposal": 2} if self._expected[2] == 4 else {}
        comment = mark_text(self._statement).encode()
        first.save(
            path, format="GIF", save_all=True, append_images=rest, duration=self._durations(10), loop=0,
            comment=comment, optimize=False, **clear,
        )  # fmt: skip

    def _palette(self) -> Image.Image:
        """The colours of some frames, those that are seen."""
        chosen = set(np.linspace(0, self.frames - 1, PALETTE_FRAMES).round().astype(int).tolist())
        seen = []
        for index, picture in enumerate(self._pictures()):
            if index in chosen:
                pixels = np.asarray(picture)
                there = pixels[..., 3] >= OPAQUE if pixels.shape[2] == 4 else np.ones(pixels.shape[:2], bool)
                seen.append(pixels[there][:, :3])  # [P, 3]
        colours = np.concatenate(seen) if sum(map(len, seen)) else np.zeros((1, 3), np.uint8)
        return Image.fromarray(colours[None]).quantize(COLOURS, Image.Quantize.MEDIANCUT)

    def _failed(self, error: Exception) -> MediaError:
        problem = f"The film {str(self.path)!r} could not be written: {getattr(error, 'strerror', None) or error}."
        return MediaError(problem, "Check the disk's free space and try again.")


def numbered(path: Path, index: int) -> Path:
    """The name of one of several files, ``NAME_0007.png``."""
    return path.with_name(f"{path.stem}_{index:04d}{path.suffix}")


def _index(picture: Image.Image, palette: Image.Image) -> Image.Image:
    """A frame in the colours of a palette; what is transparent gets the place after the last."""
    indexed = picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    if picture.mode == "RGBA":
        places = np.array(indexed)
        places[np.asarray(picture)[..., 3] < OPAQUE] = COLOURS
        clear = Image.fromarray(places, mode="P")
        clear.putpalette(indexed.getpalette() or [])
        return clear
    return indexed
