"""Avatars as a corpus stores them: a third of their size in memory, and what can be computed again left out."""

from __future__ import annotations

from dataclasses import fields

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mggtalk.avatar.avatar import GROUPS, Avatar
from mggtalk.avatar.avatar_file import OPTIONAL
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.window import MovingWindow
from mggtalk.errors import MediaError

EXACT = frozenset({"rotation", "translation", "points", "mirrored_points", "back.means", "pixel_size"})
"""Kept in single precision: half precision would move points by a tenth of their distance."""

IMAGES = frozenset({"plates.background", "plates.torso", "plates.loose"})
"""Pictures in [0, 1], kept in 8 bits."""

DERIVED = frozenset({"neighbours", "window"})
"""Computed from the mask and the binding when an avatar is read."""

ABSENT = frozenset({"coarse_colour", "notes", "adapter", "photos", "portrait", "fine", "consent", "voice"})
"""Not needed to train: the losses see the dense set's colours, and an animator finds the coarse set's; the corpus holds
the frame that an avatar was made of."""


def pack_avatar(avatar: Avatar) -> bytes:
    """An avatar in few bytes.

    Args:
        avatar: On the CPU.

    Returns:
        A safetensors file: floats in half precision, pictures in 8 bits, indices in 32 or 16 bits.
    """
    packed: dict[str, Tensor] = {}
    for entry in fields(Avatar):
        value = getattr(avatar, entry.name)
        if entry.name in ABSENT | DERIVED or value is None:
            continue
        if isinstance(value, Tensor):
            packed[entry.name] = _pack(entry.name, value)
        else:
            for name, part in value._asdict().items():
                packed[f"{entry.name}.{name}"] = _pack(f"{entry.name}.{name}", part)
    return save(packed)


def unpack_avatar(data: bytes) -> Avatar:
    """Unpack what :func:`pack_avatar` packed; the same to within half precision and 8 bits.

    Raises:
        MediaError: If the bytes are no avatar of this version.
    """
    try:
        stored = load(data)
        tensors = {name: _unpack(name, value) for name, value in stored.items()}
        values: dict[str, object] = {name: tensor for name, tensor in tensors.items() if "." not in name}
        for name, kind in GROUPS.items():
            if name not in DERIVED | ABSENT and (name not in OPTIONAL or f"{name}.{kind._fields[0]}" in tensors):  # type: ignore[attr-defined]
                values[name] = kind(*(tensors[f"{name}.{part}"] for part in kind._fields))  # type: ignore[attr-defined]
        mask, share = tensors["mask"], tensors["binding.weights"].sum(-1)
        return Avatar(neighbours=Neighbours.of(mask), window=MovingWindow.of(mask, share), **values)  # type: ignore[arg-type]
    except (SafetensorError, KeyError, TypeError) as error:
        raise MediaError(f"A stored avatar cannot be read ({error}).", "Run preprocess again.") from error


def _pack(name: str, value: Tensor) -> Tensor:
    """A tensor as it is stored."""
    if value.dtype == torch.bool:
        return value.contiguous()
    if name in IMAGES:
        return (value.clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8).contiguous()
    if value.is_floating_point():
        return value.to(torch.float32 if name in EXACT else torch.float16).contiguous()
    small = value.numel() == 0 or int(value.max()) < 2**15
    return value.to(torch.int16 if small else torch.int32).contiguous()


def _unpack(name: str, value: Tensor) -> Tensor:
    """A tensor as an avatar holds it."""
    if value.dtype == torch.bool:
        return value
    if name in IMAGES:
        return value.float() / 255.0
    return value.float() if value.is_floating_point() else value.long()
