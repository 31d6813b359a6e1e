"""Avatars as files: safetensors with a checksum, the mark, and who agreed; the portrait is in them or not, by choice.

What a file says is believed only after its checksum, the shape and type of every tensor, and the range of every index
were checked: kernels that are compiled without such tests read these tensors.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mggtalk.avatar.adapter import Adapter
from mggtalk.errors import MediaError
from mggtalk.media.files import PathLike, check_readable, check_writable
from mggtalk.media.provenance import mark_text
from mggtalk.runtime.files import whole_file

FORMAT = "mggtalk-avatar-13"

SUFFIX = ".safetensors"

MOST_MEGABYTES = 96.0
"""Size of a file, at most, in 10^6 bytes; one has about 15."""

MOST = {
    "N": 1 << 20, "M": 1 << 20, "B": 1 << 18, "Q": 1 << 20, "F": 1 << 20, "H": 1024, "P": 2048, "V": 20_000, "L": 8,
    "T": 2048,
}  # fmt: skip
"""Largest sizes that are believed, by the letter that stands for them in :data:`SHAPES`."""

SHAPES = {
    "identity": "I",
    "expression": "K",
    "rotation": "3 3",
    "translation": "3",
    "vertices": "V 3",
    "mask": "H H",
    "neighbours.*": "N",
    "points": "N 3",
    "colour": "N 3",
    "colour_step": "N 3",
    "opacity": "N",
    "binding.vertices": "N 3",
    "binding.weights": "N 3",
    "binding.*": "N",
    "mirrored": "M",
    "mirrored_points": "M 3",
    "mirrored_colour": "M 3",
    "mirrored_binding.vertices": "M 3",
    "mirrored_binding.weights": "M 3",
    "mirrored_binding.*": "M",
    "back.means": "B 3",
    "back.quaternions": "B 4",
    "back.scales": "B 3",
    "back.opacities": "B",
    "back.harmonics": "B 4 3",
    "mouth.colour": "R 3",
    "mouth.known": "R",
    "mouth.cavity": "3",
    "mouth.teeth": "3",
    "folds.points": "F",
    "folds.weight": "F",
    "folds.colour": "F 3",
    "folds.place": "F",
    "folds.gaps": "G",
    "head_image": "1 4 H H",
    "window.bounds": "4",
    "window.*": "Q",
    "plates.background": "3 P P",
    "plates.torso": "4 P P",
    "plates.follow": "1 P P",
    "plates.nearer": "1 P P",
    "plates.loose": "1 P P",
    "coarse_colour": "N 3",
    "photos.axes": "3 D X",
    "photos.codes": "3 L D",
    "photos.doubt": "3 L",
    "photos.regions": "3 N",
    "photos.vertex_regions": "3 V",
    "photos.seen": "A N",
    "photos.colour": "A N 9",
    "photos.vertices": "A V 3",
    "photos.sheet": "A Y 7",
    "turning.replaced": "N",
    "turning.replacing": "M",
    "turning.parted": "N",
    "turning.beside": "N",
    "turning.beside_twins": "M",
    "turning.grazed": "N",
    "turning.grazed_twins": "M",
    "turning.lip_line": "N",
    "turning.opening": "K",
    "turning.back_alone": "B",
    "portrait": "S S 3",
    "fine": "T T 3",
}
"""Shapes of tensors, letters for sizes that have to agree; what is not named is free in shape."""

INDICES = {
    "neighbours.*": "N",
    "binding.vertices": "V",
    "mirrored_binding.vertices": "V",
    "mirrored": "N",
    "window.points": "N",
    "folds.points": "N",
}
"""Tensors of indices, and the letter of the size under which they stay."""

OPTIONAL = ("photos", "turning")
"""Groups that an avatar may lack."""

FIELD = "mggtalk.person.talking_gaussian.field:TalkingGaussian"
"""The class of personal fields; found when one is read, as its room is built on this one."""

AGAIN = "Prepare the portrait again."


def save_avatar(path: PathLike, tensors: Mapping[str, Tensor], notes: tuple[str, ...], consent: str | None) -> Path:
    """Write a file; it appears when it is complete. See :meth:`mggtalk.avatar.avatar.Avatar.save`.

    Args:
        path: The file.
        tensors: Fields of the avatar, those of groups as ``group.field``.
        notes: What the user should know.
        consent: Who agreed.
    """
    target = check_writable(path, (SUFFIX,))
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {
        "format": FORMAT,
        "checksum": _checksum(tensors),
        "notes": json.dumps(notes),
        "consent": consent or "",
        "made": mark_text(),
    }
    with whole_file(target) as partial:
        save_file(tensors, str(partial), metadata=metadata)
    return target


def load_avatar(path: PathLike, groups: Mapping[str, type]) -> dict[str, Any]:
    """Read the fields of an avatar. See :meth:`mggtalk.avatar.avatar.Avatar.load`.

    Args:
        path: The file.
        groups: Fields that are tuples of tensors, and their types.
    """
    file = check_readable(path, "avatar", MOST_MEGABYTES)
    what = repr(str(file))
    try:
        with safe_open(str(file), framework="pt") as opened:  # refuses tensors that do not fill the file exactly
            metadata = opened.metadata() or {}
            if metadata.get("format") != FORMAT:
                found = repr(metadata.get("format", "no format mark"))[:60]
                raise MediaError(f"{what} is not an avatar of this version ({found}).", AGAIN)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        brief = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise MediaError(f"{what} cannot be read as an avatar ({brief}).", AGAIN) from error
    if _checksum(tensors) != metadata.get("checksum"):
        raise MediaError(f"{what} was damaged or changed: its checksum is wrong.", AGAIN)
    for wrong in _misfits(tensors):
        raise MediaError(f"{what} does not fit: {wrong}.", AGAIN)
    values: dict[str, Any] = {name: tensor for name, tensor in tensors.items() if "." not in name}
    try:
        for name, kind in groups.items():
            if name in OPTIONAL and not any(tensor.startswith(f"{name}.") for tensor in tensors):
                continue
            values[name] = kind(*(tensors[f"{name}.{part}"] for part in kind._fields))  # type: ignore[attr-defined]
        learned = {name.removeprefix("adapter."): part for name, part in tensors.items() if name[:8] == "adapter."}
        values["adapter"] = _kind(learned).of(learned) if learned else None
        values["notes"] = tuple(str(note) for note in json.loads(metadata.get("notes", "[]")))
    except (KeyError, TypeError, ValueError, RecursionError, RuntimeError) as error:
        raise MediaError(f"{what} is not whole ({str(error)[:60]}).", AGAIN) from error
    values["consent"] = metadata.get("consent") or None
    return values


def _kind(tensors: Mapping[str, Tensor]) -> Any:
    """The class of an adapter with these tensors: blendshapes, or a field that says its own configuration."""
    if "config" not in tensors:
        return Adapter
    module, _, name = FIELD.partition(":")
    return getattr(importlib.import_module(module), name)


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of all names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return digest.hexdigest()


def _misfits(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Describe what is wrong with shapes, types and numbers, if anything is."""
    sizes: dict[str, int] = {}
    for name, value in tensors.items():
        if name.startswith("adapter."):
            continue  # checked by those who use it, against the pipeline
        shape = _named(SHAPES, name)
        if shape is not None:
            yield from _size_misfits(name, value, shape.split(), sizes)
        if value.is_floating_point() and not bool(value.isfinite().all()):
            yield f"its {name} has numbers that are not finite"
    if "mask" in tensors and (tensors["mask"].dtype != torch.bool or int(tensors["mask"].sum()) != sizes.get("N")):
        yield f"its mask does not show {sizes.get('N')} points"
    for name, value in tensors.items():
        letter = _named(INDICES, name)
        if letter is None:
            continue
        if value.dtype != torch.int64:
            yield f"its {name} is {value.dtype}, not int64"
        elif value.numel() and not 0 <= int(value.min()) <= int(value.max()) < sizes.get(letter, 0):
            yield f"its {name} has indices from {int(value.min())} to {int(value.max())} for {sizes.get(letter, 0)}"


def _size_misfits(name: str, value: Tensor, shape: list[str], sizes: dict[str, int]) -> Iterator[str]:
    """Compare one shape with those that were seen before."""
    text = " x ".join(map(str, value.shape)) or "one number"
    if value.ndim != len(shape):
        yield f"its {name} is {text}, not {' x '.join(shape)}"
        return
    for size, letter in zip(value.shape, shape):
        wanted = int(letter) if letter.isdigit() else sizes.setdefault(letter, size)
        if size != wanted or size > MOST.get(letter, 1 << 20):
            yield f"its {name} is {text}, where {letter} is {min(wanted, MOST.get(letter, wanted))} at most"


def _named(table: Mapping[str, str], name: str) -> str | None:
    """The entry of a name, or of its group."""
    return table.get(name, table.get(f"{name.partition('.')[0]}.*"))
