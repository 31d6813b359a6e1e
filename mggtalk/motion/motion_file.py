"""Motion files: a :class:`~mggtalk.scene.Motion` as :mod:`mggtalk.motion.motion_arrays` describes them."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.errors import MotionFileError
from mggtalk.media.files import PathLike, check_writable
from mggtalk.media.provenance import mark_text
from mggtalk.motion.motion_arrays import (
    FLOATS,
    FORMAT_VERSION,
    OPTIONAL,
    SUFFIXES,
    MotionArrays,
    check_motion_arrays,
    read_motion_arrays,
)
from mggtalk.runtime.files import whole_file
from mggtalk.scene import Motion


def save_motion(motion: Motion, path: PathLike) -> None:
    """Write a motion file. It appears when it is complete, or not at all.

    Args:
        motion: What to write. It is checked like a file that is read.
        path: Ends in ``.npz`` or ``.safetensors``.

    Raises:
        MediaError: If the path cannot be written.
        MotionFileError: If the motion is not valid.
    """
    file = check_writable(path, SUFFIXES)
    check_motion_arrays(_arrays(motion), "The motion to save", None)
    types = dict.fromkeys(FLOATS, np.float32) | OPTIONAL
    arrays = {
        name: _numpy(getattr(motion, name), dtype) for name, dtype in types.items() if getattr(motion, name) is not None
    }
    with whole_file(file) as partial:
        if file.suffix.lower() == ".npz":
            scalars: dict[str, np.ndarray] = {
                "version": np.array(FORMAT_VERSION),
                "fps": np.array(float(motion.fps)),
                "face_model": np.array(motion.face_model),
                "focal_ratio": np.array(float(motion.focal_ratio)),
                "notes": np.array(motion.notes, dtype=np.str_),
                "made": np.array(mark_text()),
            }
            np.savez_compressed(partial, allow_pickle=False, **arrays, **scalars)
        else:
            metadata = {
                "version": str(FORMAT_VERSION),
                "fps": repr(float(motion.fps)),
                "face_model": motion.face_model,
                "focal_ratio": repr(float(motion.focal_ratio)),
                "notes": json.dumps(motion.notes),
                "made": mark_text(),
            }
            save_file(arrays, partial, metadata=metadata)


def load_motion(path: PathLike, face_model: str | None = None, components: int = EXPRESSION_COMPONENTS) -> Motion:
    """Read and check a motion file.

    Args:
        path: Ends in ``.npz`` or ``.safetensors``.
        face_model: Version that its coefficients must belong to; None takes any.
        components: K, the number of expression coefficients.

    Returns:
        The motion.

    Raises:
        MediaError: If there is no such file.
        MotionFileError: If it is broken, not a motion file, or belongs to another face model.
    """
    arrays = read_motion_arrays(path, components)
    if face_model is not None and arrays.face_model != face_model:
        raise MotionFileError(
            f"The motion file {os.fspath(path)!r} belongs to face model {arrays.face_model!r}, not {face_model!r}.",
            "Track its video again.",
        )
    return Motion(**{entry.name: _tensor(getattr(arrays, entry.name)) for entry in fields(arrays)})


def _tensor(value: Any) -> Any:
    """An array as a tensor, anything else as it is."""
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _arrays(motion: Motion) -> MotionArrays:
    """The arrays of a motion that a file keeps, in its own types."""
    values: dict[str, Any] = {entry.name: getattr(motion, entry.name) for entry in fields(MotionArrays)}
    tensors = {name: value.detach().cpu().numpy() for name, value in values.items() if isinstance(value, Tensor)}
    return MotionArrays(**{**values, **tensors})


def _numpy(value: Tensor | tuple[int, int], dtype: type) -> np.ndarray:
    """A value as it is stored."""
    return np.ascontiguousarray(torch.as_tensor(value).detach().cpu().numpy().astype(dtype))
