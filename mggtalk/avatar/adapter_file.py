"""Adapters as files: safetensors in half precision, with the portrait that they belong to and who agreed to it.

A file is all that is needed to make the person talk: the pipeline prepares the portrait in it and puts the weights on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mggtalk.avatar.adapter import CHANNELS, FEATURES, REGIONS, Adapter, PersonalField, Region
from mggtalk.config import check_consent
from mggtalk.errors import MediaError, OptionError
from mggtalk.media.files import PathLike, check_readable, check_writable
from mggtalk.media.provenance import mark_text
from mggtalk.media.stills import BROKEN
from mggtalk.runtime.files import whole_file
from mggtalk.speech.audio_prior import Voice
from mggtalk.speech.voice_file import ENCODER, OwnVoice

FORMAT = "mggtalk-adapter-1"

SUFFIX = ".safetensors"

MOST_MEGABYTES = 5.0
"""Size of a file, at most, in 10^6 bytes."""

VOICE = "voice."
"""Before the names of a voice's tensors."""

PICTURES = ("portrait", "background")
"""Pictures in a file, PNG or JPEG: the frame that the avatar is made of, and what stands behind the person."""

MOST_SIDE = 1024
"""Longest side of a picture in a file, pixels."""

MOST_BLENDSHAPES = 64
"""Typical frames of a region, at most."""

AGAIN = "Make it again with 'mggtalk adapt'."
EXACT = ("axes", "origin", "centres")


class Facts(NamedTuple):
    """Facts that a file states about itself."""

    consent: str  # CONSENT
    face_model: str  # version
    trained: bool  # whether it was learned on top of trained networks
    seconds: float  # of the clip that it was learned from
    steps: int  # of the optimiser


class AdapterFile(NamedTuple):
    """A file's content."""

    adapter: Adapter | PersonalField
    portrait: np.ndarray  # uint8 [S, S, 3]
    background: np.ndarray | None  # uint8 [S, S, 3], where the clip told what stands behind the person
    facts: Facts
    voice: OwnVoice | None = None  # how the person moves the lips, where the clip has speech


class Package(NamedTuple):
    """Content of a file of any kind of adapter."""

    format: str
    tensors: dict[str, Tensor]  # all but the pictures
    metadata: dict[str, str]
    portrait: np.ndarray  # uint8 [S, S, 3]
    background: np.ndarray | None
    facts: Facts
    voice: OwnVoice | None = None


def write_package(path: PathLike, package: Package, most: float) -> Path:
    """Write a file of any kind of adapter; it appears when it is complete.

    Args:
        path: The file.
        package: Its tensors are stored as they are.
        most: Size of the file, at most, in 10^6 bytes.

    Raises:
        MediaError: If it cannot be written there.
        OptionError: If it would be larger, or nobody agreed.
    """
    target = check_writable(path, (SUFFIX,))
    check_consent(package.facts.consent)
    tensors = {**package.tensors, "portrait": _encode(package.portrait, "PNG")}
    if package.background is not None:
        tensors["background"] = _encode(package.background, "JPEG", quality=92)
    if package.voice is not None:
        tensors |= {VOICE + name: value.contiguous() for name, value in package.voice.voice._asdict().items()}
    own = {"format": package.format, "facts": json.dumps(package.facts._asdict()), "made": mark_text()}
    own |= {} if package.voice is None else {ENCODER: package.voice.encoder}
    with whole_file(target) as partial:
        save_file(tensors, str(partial), metadata={**package.metadata, **own})
        megabytes = partial.stat().st_size / 1e6
        if megabytes > most:
            raise OptionError(
                f"The adapter would have {megabytes:.1f} MB, more than {most:g}.", "Give a smaller configuration."
            )
    return target


def read_package(path: PathLike, formats: Collection[str], most: float) -> Package:
    """Read a file of any kind of adapter; its tensors are still to be checked.

    Raises:
        MediaError: If it is missing, too large, of another format, or says nothing of itself.
    """
    file = check_readable(path, "adapter", most)
    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
            if metadata.get("format") not in formats:
                problem = f"{str(file)!r} is not an adapter ({metadata.get('format', 'no format mark')!r:.60})."
                raise MediaError(problem, AGAIN)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{str(file)!r} cannot be read as an adapter ({_brief(error)}).", AGAIN) from error
    pictures = {name: _decode(file, name, tensors.pop(name)) for name in PICTURES if name in tensors}
    if "portrait" not in pictures:
        raise MediaError(f"{str(file)!r} has no portrait.", AGAIN)
    facts = _facts(file, metadata.get("facts", ""))
    voice = _voice(file, tensors, metadata.get(ENCODER, ""))
    return Package(
        metadata["format"], tensors, metadata, pictures["portrait"], pictures.get("background"), facts, voice
    )


def write_adapter(path: PathLike, content: AdapterFile) -> Path:
    """Write a file of blendshapes. See :func:`write_package`."""
    assert isinstance(content.adapter, Adapter)
    tensors = {name: _store(name, value) for name, value in content.adapter.tensors().items()}
    package = Package(FORMAT, tensors, {}, *content[1:])
    return write_package(path, package, MOST_MEGABYTES)


def check_adapter(
    path: PathLike, package: Package, map_side: int, vertices: int, sheet: tuple[int, int]
) -> AdapterFile:
    """Make the blendshapes of a package, believing nothing that it says.

    Args:
        path: Where it is from.
        package: Of the format :data:`FORMAT`.
        map_side: Side of the pipeline's position maps.
        vertices: Of its face model.
        sheet: Rows and columns of its mouth sheet.

    Raises:
        MediaError: If it is no adapter that fits.
    """
    file = Path(path)
    adapter = _adapter(file, package.tensors)
    for wrong in _misfits(adapter, map_side, vertices, sheet):
        raise MediaError(f"{str(file)!r} does not fit: {wrong}.", AGAIN)
    return AdapterFile(adapter, *package[3:])


def read_adapter(path: PathLike, map_side: int, vertices: int, sheet: tuple[int, int]) -> AdapterFile:
    """Read a file of blendshapes. See :func:`read_package` and :func:`check_adapter`."""
    return check_adapter(path, read_package(path, (FORMAT,), MOST_MEGABYTES), map_side, vertices, sheet)


def _adapter(file: Path, tensors: dict[str, Tensor]) -> Adapter:
    """The adapter of a file's tensors; bounds are integers, all else is made single precision."""
    try:
        adapter = Adapter.of(
            {name: value.long() if name.endswith("bounds") else value.float() for name, value in tensors.items()}
        )
    except KeyError as error:
        raise MediaError(f"{str(file)!r} lacks {error}.", AGAIN) from error
    extra = sorted(set(tensors) - set(adapter.tensors()))
    if extra:
        raise MediaError(f"{str(file)!r} has {extra[0]!r:.60}, which no adapter has.", AGAIN)
    return adapter


def _misfits(adapter: Adapter, side: int, vertices: int, sheet: tuple[int, int]) -> list[str]:
    """Describe what is wrong with shapes and numbers."""
    wrong = []
    if adapter.colour.shape != (6, side, side):
        wrong.append(f"its colours are {_shape(adapter.colour)}, not 6 x {side} x {side}")
    for name in REGIONS:
        wrong += [f"{name}: {text}" for text in _region_misfits(getattr(adapter, name), side, vertices, sheet)]
    if not len(adapter.mouth.sheet):
        wrong.append("mouth: it has no sheet")
    if not all(bool(value.isfinite().all()) for value in adapter.tensors().values()):
        wrong.append("it has numbers that are not finite")
    return wrong


def _region_misfits(region: Region, side: int, vertices: int, sheet: tuple[int, int]) -> list[str]:
    """Describe what is wrong with one region."""
    if region.axes.ndim != 2 or region.centres.ndim != 2 or region.maps.ndim != 4 or region.sheet.ndim != 4:
        return ["it has tensors of the wrong rank"]
    dimensions, count = len(region.axes), len(region.centres)
    wanted = {
        "axes": (dimensions, FEATURES),
        "origin": (dimensions,),
        "centres": (count, dimensions),
        "bounds": (4,),
        "vertices": (count, vertices, 3),
        "maps": (count, CHANNELS, *region.maps.shape[2:]),
        "sheet": (count if len(region.sheet) else 0, CHANNELS, *sheet),
    }
    wrong = [
        f"its {name} are {_shape(getattr(region, name))}, not {' x '.join(map(str, shape))}"
        for name, shape in wanted.items()
        if tuple(getattr(region, name).shape) != shape
    ]
    if not 1 <= count <= MOST_BLENDSHAPES or not min(region.maps.shape[2:]) or max(region.maps.shape[2:]) > side:
        wrong.append(f"it has {count} maps of {region.maps.shape[2]} x {region.maps.shape[3]}")
    if not wrong:
        first_row, end_row, first_column, end_column = region.bounds.tolist()
        if not (0 <= first_row < end_row <= side and 0 <= first_column < end_column <= side):
            wrong.append(f"its bounds are {region.bounds.tolist()}")
    return wrong


def _voice(file: Path, tensors: dict[str, Tensor], encoder: str) -> OwnVoice | None:
    """Take the voice out of a file's tensors, if there is one."""
    parts = {name: tensors.pop(VOICE + name).float() for name in Voice._fields if VOICE + name in tensors}
    if not parts:
        return None
    size = len(parts.get("offset", ()))
    fine = {name: tuple(value.shape) for name, value in parts.items()} == {"mix": (size, size), "offset": (size,)}
    if not fine or not all(bool(value.isfinite().all()) for value in parts.values()):
        raise MediaError(f"{str(file)!r} has a voice that is none.", AGAIN)
    return OwnVoice(Voice(**parts), encoder)


def _facts(file: Path, text: str) -> Facts:
    """Facts that a file states about itself."""
    try:
        given: dict[str, Any] = json.loads(text)
        facts = Facts(
            consent=str(given["consent"]),
            face_model=str(given["face_model"]),
            trained=bool(given["trained"]),
            seconds=float(given["seconds"]),
            steps=int(given["steps"]),
        )
        check_consent(facts.consent)
    except OptionError as error:
        raise MediaError(f"{str(file)!r} does not say that the person agreed.", AGAIN) from error
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise MediaError(f"{str(file)!r} does not say what it is ({_brief(error)}).", AGAIN) from error
    return facts


def _store(name: str, value: Tensor) -> Tensor:
    """A tensor as a file holds it."""
    part = name.rpartition(".")[2]
    if part == "bounds":
        return value.to(torch.int16)
    return value.detach().to("cpu", torch.float32 if part in EXACT else torch.float16).contiguous()


def _encode(picture: np.ndarray, kind: str, **options: int) -> Tensor:
    """A picture as the bytes of a file ``[n]``."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
    return torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)


def _decode(file: Path, name: str, data: Tensor) -> np.ndarray:
    """The picture of :func:`_encode`."""
    try:
        if data.dtype != torch.uint8 or data.ndim != 1:
            raise ValueError("no bytes")
        with Image.open(io.BytesIO(data.numpy().tobytes()), formats=("PNG", "JPEG")) as opened:
            if opened.width != opened.height or not 64 <= opened.width <= MOST_SIDE:
                raise ValueError(f"{opened.width} x {opened.height} pixels")
            return np.asarray(opened.convert("RGB"))
    except BROKEN as error:
        raise MediaError(f"The {name} in {str(file)!r} cannot be read ({_brief(error)}).", AGAIN) from error


def _shape(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "one number"


def _brief(error: Exception) -> str:
    """The first line of an error, not too long."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
