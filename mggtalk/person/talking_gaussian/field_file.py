"""TalkingGaussian heads as files: the same container as blendshapes, of another format."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.avatar.adapter_file import AGAIN, AdapterFile, Package, write_package
from mggtalk.errors import MediaError
from mggtalk.media.files import PathLike
from mggtalk.person.talking_gaussian.field import TalkingGaussian

FORMAT = "mggtalk-talking-gaussian-2"

MOST_MEGABYTES = 10.0
"""Size of a file, at most, in 10^6 bytes."""

EXACT = {"conditions", "centre", "rest", "held", "jaw", "jaw_rest", "gap", "gap_rest", "log_scales", "turn"}
"""Parts of the names of tensors that are stored in single precision; all others in half."""


def write_field(path: PathLike, content: AdapterFile) -> None:
    """Write a head. See :func:`mggtalk.avatar.adapter_file.write_package`."""
    assert isinstance(content.adapter, TalkingGaussian)
    tensors = {name: _store(name, value) for name, value in content.adapter.tensors().items()}
    package = Package(FORMAT, tensors, {}, *content[1:])
    write_package(path, package, MOST_MEGABYTES)


def check_field(path: PathLike, package: Package, map_side: int) -> AdapterFile:
    """Make the head of a package, believing nothing that it says.

    Args:
        path: Where it is from.
        package: Of the format :data:`FORMAT`.
        map_side: Side of the pipeline's position maps.

    Raises:
        MediaError: If it is no head that fits.
    """
    try:
        field = TalkingGaussian.of(package.tensors)
        if int(field.face.bounds.max()) > map_side:
            raise ValueError(f"its bounds are {field.face.bounds.tolist()}")
    except (ValueError, TypeError, KeyError, RuntimeError, RecursionError) as error:
        brief = " ".join(str(error).split())[:160] or type(error).__name__
        raise MediaError(f"{str(path)!r} does not fit: {brief}.", AGAIN) from error
    return AdapterFile(field, *package[3:])


def round_field(field: TalkingGaussian) -> TalkingGaussian:
    """A head as it will be read from a file."""
    return TalkingGaussian.of({name: _store(name, value) for name, value in field.tensors().items()})


def _store(name: str, value: Tensor) -> Tensor:
    """A tensor as a file holds it."""
    if not value.is_floating_point():
        return value.to(torch.int16) if value.dtype == torch.int64 else value
    exact = bool(EXACT & set(name.split(".")))
    return value.to("cpu", torch.float32 if exact else torch.float16).contiguous()
