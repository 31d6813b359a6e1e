"""The stored form of training clips, and reading it.

Each clip is one uncompressed tar ``<stem>.tar`` in the manner of WebDataset (files that belong together share the name
up to the first dot), which is complete when it has this name:

=============================  ========================================================================================
member                         what
=============================  ========================================================================================
``clip.json``                  name, frames a second, stride, side, sources, versions of the format and the face model
``motion.npz``                 motion of the stored frames, landmarks in their pixels; no pickles
``NNNNNN.jpg``                 frame, a square of S px
``NNNNNN.head.png``            8-bit mask of the head, M px: what belongs to the head image
``NNNNNN.person.png``          8-bit matte of the person, M px
``sources/NNNNNN.safetensors`` avatar of that frame, see :mod:`mggtalk.training.data.packing`
``mirror.npz``, ``mirror/...``  motion and avatars of the mirrored clip, whose frames are those of the clip, flipped
=============================  ========================================================================================

Members are read at random through an index of their places, which is made once per tar.
"""

from __future__ import annotations

import glob
import io
import json
import tarfile
import uuid
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import MediaError, OptionError
from mggtalk.scene import Motion
from mggtalk.training.data.packing import unpack_avatar

FORMAT = 1
"""Version of the stored form."""

_AGAIN = "Run preprocess again."


@dataclass(frozen=True)
class Clip:
    """One stored clip, or its mirror image. Reads from the tar on demand; threads and worker processes may share it."""

    path: Path
    name: str  # stem of the video; "~mirrored" is added to that of a mirror image
    fps: float  # of the stored frames
    stride: int  # stored frames are each stride-th one of the video
    side: int  # S, pixels
    face_model: str  # version
    focal_ratio: float
    sources: tuple[int, ...]  # stored frames that an avatar was made of
    length: int
    mirrored: bool
    members: dict[str, tuple[int, int]]  # place and size of each member of the tar, bytes

    def __len__(self) -> int:
        return self.length

    def frame(self, index: int) -> Tensor:
        """RGB ``[3, S, S]`` in [0, 1] of a stored frame."""
        return self._picture(f"{index:06d}.jpg")

    def head(self, index: int) -> Tensor:
        """Head mask ``[1, M, M]`` in [0, 1] of a stored frame: where it shows head, with hair and ears."""
        return self._picture(f"{index:06d}.head.png")

    def person(self, index: int) -> Tensor:
        """Matte ``[1, M, M]`` in [0, 1] of the whole person in a stored frame."""
        return self._picture(f"{index:06d}.person.png")

    @cached_property
    def motion(self) -> Motion:
        """Motion of the stored frames, with landmarks in their pixels."""
        name = "mirror.npz" if self.mirrored else "motion.npz"
        try:
            with np.load(io.BytesIO(self._read(name)), allow_pickle=False) as archive:
                arrays = {key: torch.from_numpy(archive[key]) for key in archive.files}
        except (zipfile.BadZipFile, ValueError) as error:
            raise MediaError(f"{name} of {self.path} is damaged.", _AGAIN) from error
        return Motion(
            fps=self.fps,
            face_model=self.face_model,
            focal_ratio=self.focal_ratio,
            frame_size=(self.side, self.side),
            expression=arrays["expression"],
            rotation=arrays["rotation"],
            translation=arrays["translation"],
            rest=arrays["rest"],
            landmarks=arrays["landmarks"],
            found=arrays["found"],
        )

    def avatar(self, source: int) -> Avatar:
        """The avatar of one of the :attr:`sources`.

        Raises:
            OptionError: If no avatar was made of that frame.
        """
        if source not in self.sources:
            problem = f"No avatar was made of frame {source} of {self.name}."
            raise OptionError(problem, f"Choose one of {', '.join(map(str, self.sources))}.")
        folder = "mirror" if self.mirrored else "sources"
        return unpack_avatar(self._read(f"{folder}/{source:06d}.safetensors"))

    def mirror_image(self) -> Clip | None:
        """The same clip with left and right exchanged; None if none was stored."""
        if self.mirrored or "mirror.npz" not in self.members:
            return None
        return replace(self, name=f"{self.name}~mirrored", mirrored=True)

    def _read(self, name: str) -> bytes:
        """A member of the tar."""
        if name not in self.members:
            raise MediaError(f"{self.path} has no {name}.", f"It has {self.length} frames.")
        place, size = self.members[name]
        with self.path.open("rb") as file:  # opened anew: nothing is shared between threads and processes
            file.seek(place)
            data = file.read(size)
        if len(data) != size:
            raise MediaError(f"{self.path} is cut off in {name}.", _AGAIN)
        return data

    def _picture(self, name: str) -> Tensor:
        """A picture ``[C, H, W]`` in [0, 1], flipped for a mirrored clip."""
        with Image.open(io.BytesIO(self._read(name))) as opened:
            pixels = np.array(opened)  # [H, W] or [H, W, 3]
        image = torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)  # [C, H, W]
        return (image.flip(-1) if self.mirrored else image).float() / 255.0


def open_corpus(folder: str | Path, face_model: str | None = None, mirrored: bool = True) -> list[Clip]:
    """Index the complete clips of a folder, sorted by name.

    Args:
        folder: What ``preprocess`` wrote, or is still writing.
        face_model: Version that the clips must have been fitted with; None takes any.
        mirrored: Also list the mirror images that are stored; each follows its clip.

    Returns:
        The clips.

    Raises:
        OptionError: If there are none.
        MediaError: If one is damaged, or of another version.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.tar")) if folder.is_dir() else []
    if not paths:
        raise OptionError(f"The folder {str(folder)!r} has no clips (*.tar).", "Make them with 'mggtalk preprocess'.")
    clips = []
    for path in paths:
        clip = open_clip(path)
        if face_model is not None and clip.face_model != face_model:
            problem = f"{path} was fitted with face model {clip.face_model!r}, not {face_model!r}."
            raise MediaError(problem, _AGAIN)
        image = clip.mirror_image() if mirrored else None
        clips += [clip] if image is None else [clip, image]
    return clips


def open_clip(path: Path) -> Clip:
    """Index one tar.

    Raises:
        MediaError: If it is damaged, or of another version.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            members = {member.name: (member.offset_data, member.size) for member in archive if member.isfile()}
        place, size = members["clip.json"]
        with path.open("rb") as file:
            file.seek(place)
            facts = json.loads(file.read(size))
        version = facts["format"]
        if version != FORMAT:
            raise MediaError(f"{path} has format {version}, not {FORMAT}.", _AGAIN)
        return Clip(
            path=path,
            name=facts["name"],
            fps=facts["fps"],
            stride=facts["stride"],
            side=facts["side"],
            face_model=facts["face_model"],
            focal_ratio=facts["focal_ratio"],
            sources=tuple(facts["sources"]),
            length=facts["frames"],
            mirrored=False,
            members=members,
        )
    except (OSError, tarfile.TarError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise MediaError(f"{path} cannot be read as a clip ({type(error).__name__}: {error}).", _AGAIN) from error


class ClipWriter:
    """Writes one clip. In a ``with`` block; the tar gets its name when the block ends without an error.

    Each writer has a file of its own until then, so that two runs at the same clip cannot mix: the last to finish wins.
    What killed runs left of a clip is removed when it is complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")

    def __enter__(self) -> ClipWriter:
        self._archive = tarfile.open(self.partial, "x:", format=tarfile.USTAR_FORMAT)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._archive.close()
        if kind is not None:
            self.partial.unlink(missing_ok=True)
            return
        try:
            self.partial.replace(self.path)
        except FileNotFoundError:  # removed by another run that finished the same clip first
            if not self.path.exists():
                raise
        for left in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.partial"):
            left.unlink(missing_ok=True)

    def add(self, name: str, data: bytes) -> None:
        """Append a member."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._archive.addfile(member, io.BytesIO(data))

    def add_frame(self, index: int, frame: np.ndarray, head: np.ndarray, person: np.ndarray, quality: int) -> None:
        """Append a frame with its masks.

        Args:
            index: Of the stored frame.
            frame: uint8 ``[S, S, 3]``.
            head: ``[M, M]`` in [0, 1].
            person: ``[M, M]`` in [0, 1].
            quality: Of the JPEG.
        """
        self.add(f"{index:06d}.jpg", _encode(frame, "JPEG", quality=quality, subsampling=0))
        for kind, mask in (("head", head), ("person", person)):
            self.add(f"{index:06d}.{kind}.png", _encode((mask * 255.0 + 0.5).astype(np.uint8), "PNG"))

    def add_motion(self, motion: Motion, mirrored: bool = False) -> None:
        """Append the motion of the clip, with all that a tracked motion has, or that of its mirror image."""
        names = ("expression", "rotation", "translation", "rest", "landmarks", "found")
        arrays = {name: getattr(motion, name).numpy() for name in names}
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        self.add("mirror.npz" if mirrored else "motion.npz", stream.getvalue())

    def add_facts(self, name: str, motion: Motion, stride: int, side: int, sources: Iterable[int], video: str) -> None:
        """Append ``clip.json``."""
        facts = {
            "format": FORMAT,
            "name": name,
            "video": video,
            "fps": motion.fps,
            "stride": stride,
            "side": side,
            "frames": len(motion),
            "sources": list(sources),
            "face_model": motion.face_model,
            "focal_ratio": motion.focal_ratio,
        }
        self.add("clip.json", (json.dumps(facts, indent=2) + "\n").encode())


def _encode(picture: np.ndarray, kind: str, **options: int) -> bytes:
    """A picture as a file of a kind."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
    return stream.getvalue()
