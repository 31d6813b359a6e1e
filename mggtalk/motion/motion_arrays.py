"""Content of motion files, read and checked without torch, so that a bad file is refused at once.

A motion file is a :class:`~mggtalk.scene.Motion` as ``.npz`` without pickles, or as ``.safetensors``:

==================  =============  ======================================================================
key                 shape          what
==================  =============  ======================================================================
``version``         []             version of this format, int
``expression``      [T, K]         float32, coefficients in standard deviations
``rotation``        [T, 3, 3]      float32, head to camera axes (see :mod:`mggtalk.geometry`)
``translation``     [T, 3]         float32, decimetres, camera frame
``fps``             []             float64, frames a second
``face_model``      []             text, version of the face model
``focal_ratio``     []             float64, focal length over the side of the picture
``rest``            [K]            float32, optional, coefficients of the driver's relaxed face
``landmarks``       [T, V, 3]      float16, optional, pixels of the driving video
``frame_size``      [2]            int64, optional, width and height of the driving video
``found``           [T]            bool, optional, False where the face was lost
``torso``           [T, 2, 3]      float32, optional, similarity of the shoulders, in sides of the picture
``notes``           [n]            text, optional
``made``            []             text, the mark of a file that is AI-made; not read back
==================  =============  ======================================================================

In safetensors files the single values and texts are metadata, ``notes`` a JSON list.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.errors import MotionFileError
from mggtalk.media.files import PathLike, check_readable

FORMAT_VERSION = 1
"""Written into each file; files of later formats are refused."""

SUFFIXES = (".npz", ".safetensors")
"""Endings of motion files."""

MAX_BYTES = 1 << 30
"""Arrays that unpack to more than this are refused."""

MAX_FPS = 1000.0
"""Highest frame rate that is believed."""

ORTHONORMAL_TOLERANCE = 1e-3
"""Largest entry of ``R R^T - I`` that passes for rounding."""

_AGAIN = "Write it again with 'mggtalk track' or save_motion."
FLOATS = ("expression", "rotation", "translation")
OPTIONAL = {
    "rest": np.float32,
    "landmarks": np.float16,
    "found": np.bool_,
    "frame_size": np.int64,
    "torso": np.float32,
}
SCALARS = ("version", "fps", "face_model", "focal_ratio")


@dataclass(frozen=True)
class MotionArrays:
    """A motion as a file holds it; shapes as in the table above. Its fields are those of a motion, without the cuts."""

    expression: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    fps: float
    face_model: str
    focal_ratio: float
    rest: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    frame_size: tuple[int, int] | None = None
    found: np.ndarray | None = None
    torso: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read_motion_arrays(path: PathLike, components: int | None = EXPRESSION_COMPONENTS) -> MotionArrays:
    """Read and check a motion file.

    Args:
        path: Ends in ``.npz`` or ``.safetensors``.
        components: K, the number of expression coefficients; None takes any.

    Raises:
        MediaError: If there is no such file.
        MotionFileError: If it is broken or not a motion file.
    """
    file = check_readable(path, "motion file")
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise MotionFileError(f"The motion file {str(file)!r} ends in {suffix!r}.", f"Use {' or '.join(SUFFIXES)}.")
    what = f"The motion file {str(file)!r}"
    motion = _arrays(_read_npz(file) if suffix == ".npz" else _read_safetensors(file), what)
    check_motion_arrays(motion, what, components)
    return motion


def _read_npz(file: Path) -> dict[str, object]:
    """Arrays of a ``.npz`` by name. Pickles are refused by NumPy, archives that unpack to too much by us."""
    what = f"The motion file {str(file)!r}"
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise MotionFileError(f"{what} unpacks to {size / 1e6:.0f} MB.", "Cut the motion into shorter ones.")
        with np.load(file, allow_pickle=False) as archive:
            known = (*FLOATS, *SCALARS, *OPTIONAL, "notes")
            return {name: archive[name] for name in known if name in archive.files}
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, NotImplementedError, RuntimeError, KeyError) as error:
        raise MotionFileError(f"{what} is no complete .npz archive ({type(error).__name__}).", _AGAIN) from error
    except MotionFileError:
        raise
    except (ValueError, MemoryError) as error:  # how NumPy refuses pickled objects and broken or boundless headers
        raise MotionFileError(f"{what} holds a pickled object or a broken array.", _AGAIN) from error


def _read_safetensors(file: Path) -> dict[str, object]:
    """Arrays and metadata of a ``.safetensors`` by name."""
    what = f"The motion file {str(file)!r}"
    try:
        with safe_open(str(file), framework="np") as archive:
            values: dict[str, object] = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
            metadata = archive.metadata() or {}
        for name in ("version", "fps", "focal_ratio"):
            if name in metadata:
                values[name] = float(metadata[name])
        if "face_model" in metadata:
            values["face_model"] = metadata["face_model"]
        values["notes"] = np.array(json.loads(metadata.get("notes", "[]")), dtype=np.str_)
    except (SafetensorError, OSError) as error:
        raise MotionFileError(f"{what} is no complete safetensors file.", _AGAIN) from error
    except (ValueError, TypeError) as error:
        raise MotionFileError(f"{what} has broken metadata ({error}).", _AGAIN) from error
    return values


def _arrays(values: Mapping[str, object], what: str) -> MotionArrays:
    """A motion from what a file holds; only types are checked here."""
    missing = [name for name in (*SCALARS, *FLOATS) if name not in values]
    if missing:
        raise MotionFileError(f"{what} has no {', '.join(missing)}.", _AGAIN)
    version = _number(values["version"], "version", what)
    if version != FORMAT_VERSION:
        advice = "Update MGGTalk." if version > FORMAT_VERSION else _AGAIN
        raise MotionFileError(f"{what} has format version {version:g}, not {FORMAT_VERSION}.", advice)
    optional = {name: _array(values[name], name, what) for name in OPTIONAL if name in values}
    size = optional.get("frame_size")
    if size is not None and size.shape != (2,):
        raise MotionFileError(f"{what} has a frame_size of shape {_shape(size)}, not [2].", _AGAIN)
    name = np.asarray(values["face_model"])
    if name.ndim or name.dtype.kind != "U":
        raise MotionFileError(f"{what} has a face_model that is no text.", _AGAIN)
    notes = np.asarray(values.get("notes", np.array([], dtype=np.str_)))
    if notes.ndim != 1 or (notes.size and notes.dtype.kind != "U"):
        raise MotionFileError(f"{what} has notes that are no list of texts.", _AGAIN)
    return MotionArrays(
        expression=_array(values["expression"], "expression", what),
        rotation=_array(values["rotation"], "rotation", what),
        translation=_array(values["translation"], "translation", what),
        fps=_number(values["fps"], "fps", what),
        face_model=str(name),
        focal_ratio=_number(values["focal_ratio"], "focal_ratio", what),
        rest=optional.get("rest"),
        landmarks=optional.get("landmarks"),
        frame_size=None if size is None else (int(size[0]), int(size[1])),
        found=optional.get("found"),
        torso=optional.get("torso"),
        notes=tuple(str(note) for note in notes),
    )


def check_motion_arrays(motion: MotionArrays, what: str, components: int | None) -> None:
    """Check shapes and values of a motion.

    Raises:
        MotionFileError: With the first thing that is wrong.
    """
    frames = len(motion.expression) if motion.expression.ndim else 0
    if motion.expression.ndim != 2 or frames == 0:
        raise MotionFileError(f"{what} has an expression of shape {_shape(motion.expression)}, not [T, K].", _AGAIN)
    count = motion.expression.shape[1]
    if components is not None and count != components:
        problem = f"{what} has {count} expression coefficients a frame, not {components}."
        raise MotionFileError(problem, "Use a file of this face model.")
    expected: dict[str, tuple[np.ndarray | None, tuple[int, ...]]] = {
        "rotation": (motion.rotation, (frames, 3, 3)),
        "translation": (motion.translation, (frames, 3)),
        "found": (motion.found, (frames,)),
        "torso": (motion.torso, (frames, 2, 3)),
        "rest": (motion.rest, (count,)),
    }
    if motion.landmarks is not None and motion.landmarks.ndim == 3:
        expected["landmarks"] = (motion.landmarks, (frames, motion.landmarks.shape[1], 3))
    elif motion.landmarks is not None:
        raise MotionFileError(f"{what} has landmarks of shape {_shape(motion.landmarks)}, not [T, V, 3].", _AGAIN)
    for name, (array, shape) in expected.items():
        if array is not None and array.shape != shape:
            raise MotionFileError(f"{what} has a {name} of shape {_shape(array)}, not {list(shape)}.", _AGAIN)
    for name in (*FLOATS, "rest", "landmarks", "torso"):
        array = getattr(motion, name)
        if array is not None and not bool(np.isfinite(array).all()):
            raise MotionFileError(f"{what} has values in {name} that are no finite numbers.", _AGAIN)
    _check_camera(motion, what)


def _check_camera(motion: MotionArrays, what: str) -> None:
    """Check poses, rates and the camera."""
    rotation = motion.rotation.astype(np.float64)
    error = float(np.abs(rotation @ rotation.mT - np.eye(3)).max())
    if error > ORTHONORMAL_TOLERANCE or bool((np.linalg.det(rotation) < 0).any()):
        raise MotionFileError(f"{what} has rotations that are no rotations (off by {error:.2g}).", _AGAIN)
    if bool((motion.translation[:, 2] <= 0).any()):
        raise MotionFileError(f"{what} puts the head behind the camera (translation z is not positive).", _AGAIN)
    if not 0.0 < motion.fps <= MAX_FPS:
        raise MotionFileError(f"{what} has {motion.fps:g} frames a second.", f"Use 1 to {MAX_FPS:g}.")
    if not 0.1 <= motion.focal_ratio <= 100.0:
        raise MotionFileError(f"{what} has a focal ratio of {motion.focal_ratio:g}.", "Use 0.1 to 100.")
    if motion.frame_size is not None and min(motion.frame_size) < 1:
        raise MotionFileError(f"{what} has frames of {motion.frame_size[0]}x{motion.frame_size[1]} pixels.", _AGAIN)


def _number(value: object, name: str, what: str) -> float:
    """A scalar of a file."""
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "iuf":
        raise MotionFileError(f"{what} has a {name} that is no single number.", _AGAIN)
    return float(array)


def _array(value: object, name: str, what: str) -> np.ndarray:
    """An array of a file: bool for ``found``, int64 for ``frame_size``, float32 for the others."""
    array = np.asarray(value)
    stored = np.dtype(OPTIONAL.get(name, np.float32))
    if array.dtype.kind != stored.kind:
        raise MotionFileError(f"{what} has a {name} of type {array.dtype}.", _AGAIN)
    return np.ascontiguousarray(array, np.float32 if stored.kind == "f" else stored)


def _shape(array: np.ndarray) -> list[int]:
    """For messages."""
    return list(array.shape)
