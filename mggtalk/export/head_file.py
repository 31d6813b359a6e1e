"""Heads as files for the web: a header of JSON and a block of bytes, quantised and compressed.

The block is one gzip stream. Arrays lie in it one after the other, each one component after the other (all x, then all
y, ...), as differences to the element before it: neighbours on the position map look alike, so differences are small
and compress well. Numbers of 16 bits are stored as all low bytes, then all high bytes. ``value = low + step * number``,
``low`` and ``step`` being single numbers, or one for each shape.
"""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from mggtalk.export.fit import ATTRIBUTES, GaussianBlendshapes, Group
from mggtalk.media.files import PathLike, check_writable
from mggtalk.runtime.files import whole_file

FORMAT = "mggtalk-head"

VERSION = 2

LEVEL = 6
"""Of the compression: 9 takes nine times as long for 1.6 % less (4.1 and 0.4 s for a portrait of 512 px)."""

MOST_MEGABYTES = 5.0
"""Size of the compressed block at most, 10^6 bytes."""

BITS = {"place": 16, "scale": 8, "colour": 8, "quaternions": 8, "opacities": 8, "harmonics": 8}
"""Bits of each constant."""


class HeadFile(NamedTuple):
    """A header, and the block that it describes."""

    header: dict[str, Any]
    block: bytes  # a gzip stream


class Packer:
    """Quantises arrays and lays them one after the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, values: Tensor, bits: int, scales: bool = False) -> dict[str, Any]:
        """Add an array ``[n, C]``, or with ``scales`` shapes ``[K, n, C]``, each of which has a step of its own.

        Returns:
            What tells a reader where it is and how to read it.
        """
        array = values.detach().cpu().numpy().astype(np.float64)
        shapes = array if scales else array[None]  # [K, n, C]
        if scales:
            most = (1 << (bits - 1)) - 1
            step = np.maximum(np.abs(shapes).max((1, 2)), 1e-12) / most  # [K]
            low = np.zeros(len(step))
        else:
            least, most_value = (float(shapes.min()), float(shapes.max())) if shapes.size else (0.0, 0.0)
            step, low = np.array([max(most_value - least, 1e-9) / ((1 << bits) - 1)]), np.array([least])
        numbers = np.rint((shapes - low[:, None, None]) / step[:, None, None]).astype(np.int64)  # [K, n, C]
        planes = numbers.transpose(0, 2, 1).reshape(-1, shapes.shape[1])  # [K * C, n]
        differences = np.diff(planes, axis=1, prepend=0) & ((1 << bits) - 1)
        data = differences.astype("<u2" if bits == 16 else "u1").tobytes()
        if bits == 16:
            data = np.frombuffer(data, np.uint8).reshape(-1, 2).T.tobytes()  # low bytes, high bytes
        entry = {
            "offset": self._length,
            "bits": bits,
            "signed": scales,
            "planes": len(planes),
            "low": [float(f"{value:.7g}") for value in low],
            "step": [float(f"{value:.7g}") for value in step],
        }
        self._parts.append(data)
        self._length += len(data)
        return entry

    def raw(self, data: bytes) -> dict[str, Any]:
        """Add bytes as they are."""
        entry = {"offset": self._length, "bytes": len(data)}
        self._parts.append(data)
        self._length += len(data)
        return entry

    def block(self) -> tuple[bytes, int]:
        """The compressed block and its length before."""
        return gzip.compress(b"".join(self._parts), LEVEL, mtime=0), self._length


def pack(blendshapes: GaussianBlendshapes, packer: Packer) -> dict[str, Any]:
    """Add a head to a block; the part of the header that describes it."""
    measures, knees = blendshapes.measures, blendshapes.knees
    groups = {name: _pack_group(getattr(blendshapes, name), packer) for name in ("head", "back", "mouth")}
    return {
        "groups": groups,
        "measures": {"start": _numbers(measures.start), "slope": _rows(measures.slope)},
        "knees": {
            "measure": _rows(knees.measure),
            "place": _numbers(knees.place),
            "sign": _numbers(knees.sign),
            "scale": _numbers(knees.scale),
        },
        "closed_gap": blendshapes.closed_gap,
    }


def _pack_group(group: Group, packer: Packer) -> dict[str, Any]:
    """One group of Gaussians."""
    arrays = {name: packer.add(getattr(group, name), BITS[name]) for name in ("place", "scale", "colour")}
    arrays["quaternions"] = packer.add(group.quaternions, BITS["quaternions"])
    arrays["opacities"] = packer.add(group.opacities[:, None], BITS["opacities"])
    if bool((group.harmonics.abs() > 1e-4).any()):
        arrays["harmonics"] = packer.add(group.harmonics.flatten(1), BITS["harmonics"])
    shapes = {}
    for name in ATTRIBUTES:
        if name in group.shapes:
            weights, values = group.shapes[name]
            shapes[name] = packer.add(values, 8, scales=True) | {"weights": _rows(weights)}
    return {"count": len(group.place), "arrays": arrays, "shapes": shapes}


def write_head(head: HeadFile, path: PathLike) -> list[Path]:
    """Write ``NAME.json`` and ``NAME.bin``; both appear when they are complete.

    Returns:
        Their paths.
    """
    target = check_writable(path, (".json",))
    block = target.with_suffix(".bin")
    for place, data in ((block, head.block), (target, json.dumps(head.header | {"block": block.name}).encode())):
        with whole_file(place) as partial:
            partial.write_bytes(data)
    return [target, block]


def crc(data: bytes) -> int:
    """The checksum that a gzip stream ends with, over what it unpacks to."""
    return int(struct.unpack("<I", data[-8:-4])[0])


def _numbers(values: Tensor) -> list[float]:
    return [float(f"{value:.5g}") for value in values.flatten().tolist()]


def _rows(values: Tensor) -> list[list[float]]:
    return [_numbers(row) for row in values]
