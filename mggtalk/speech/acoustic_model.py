"""The acoustic model inside pocketsphinx's wheel: what English sounds are like, and in what order they come.

The model is phonetically tied: each of the 42 context-free phones has a codebook of 128 Gaussians per stream, and three
states that weigh them. Streams are cepstra, their slopes and their curvatures, 13 values each. With mixture weights
``w`` a state's log likelihood is ``sum_streams log sum_d w_d N(x; mu_d, sigma_d)``.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pocketsphinx import Config, LogMath, NGramModel, get_model_path

from mggtalk.errors import WeightsMissingError

CEPSTRA = 13
"""Values per stream."""

STREAMS = 3
"""Cepstra, slopes, curvatures."""

STATES = 3
"""States of a phone."""

LEAST = -40.0
"""Log probability of what never happens."""

BITS = float(np.log2(np.e))
"""Exponents are kept to the base 2, which is quicker to raise."""


class AcousticModel(NamedTuple):
    """P = 42 phones."""

    phones: tuple[str, ...]  # names, [P]
    square: np.ndarray  # [3, 27, P * 128] weights of (x^2, x, 1) in the exponents of the Gaussians, to the base 2
    mixture: np.ndarray  # [3, P, 3, 128] weights of the Gaussians in each state
    steps: np.ndarray  # [P, 3, 4] log probabilities from a state to the states and out of the phone
    first: np.ndarray  # [P] log probabilities of a phone without context
    third: np.ndarray  # [P, P, P] log probabilities of the last phone after the two before it


@lru_cache(maxsize=1)
def acoustic_model() -> AcousticModel:
    """Read the model.

    Raises:
        WeightsMissingError: If the package does not hold the model that is known here.
    """
    folder = Path(get_model_path("en-us")) / "en-us"
    try:
        means, variances = (_gaussians(folder / name) for name in ("means", "variances"))  # [P, 3, 128, 13]
        names, weights = _phones(folder / "mdef"), _mixture_weights(folder / "sendump")  # [P], [3, 128, senones]
        steps = _steps(folder / "transition_matrices")  # [P, 3, 4]
        first, third = _grammar(folder.parent / "en-us-phone.lm.bin", names)
    except (OSError, ValueError, RuntimeError, struct.error) as error:
        raise WeightsMissingError(
            f"The acoustic model in {folder} cannot be read ({error}).", "Install pocketsphinx 5.1 anew."
        ) from error
    count = len(names)
    variances = np.maximum(variances, 1e-4)
    precision = 1.0 / variances
    constant = -0.5 * (np.log(2.0 * np.pi * variances) + means**2 * precision).sum(-1, keepdims=True)
    square = BITS * np.concatenate([-0.5 * precision, means * precision, constant], axis=-1)  # [P, 3, 128, 27]
    states = weights[..., : count * STATES].reshape(STREAMS, -1, count, STATES).transpose(0, 2, 3, 1)  # [3, P, 3, 128]
    return AcousticModel(
        phones=names,
        square=np.ascontiguousarray(square.transpose(1, 3, 0, 2).reshape(STREAMS, 2 * CEPSTRA + 1, -1), np.float32),
        mixture=np.ascontiguousarray(states / states.sum(-1, keepdims=True), np.float32),
        steps=steps,
        first=first,
        third=third,
    )


def _gaussians(path: Path) -> np.ndarray:
    """A file of means or variances, ``[P, 3, 128, 13]``: a header in text, then counts and numbers in binary."""
    content = path.read_bytes()
    place = content.index(b"endhdr\n") + len(b"endhdr\n")
    mark, codebooks, streams, densities, *lengths = struct.unpack_from("<I3i3i", content, place)
    (count,) = struct.unpack_from("<i", content, place + 28)
    if mark != 0x11223344 or streams != STREAMS or set(lengths) != {CEPSTRA}:
        raise ValueError(f"{path.name} is of another kind")
    numbers = np.frombuffer(content, "<f4", count, place + 32)
    return numbers.reshape(codebooks, streams, densities, CEPSTRA).astype(np.float64)


def _mixture_weights(path: Path) -> np.ndarray:
    """The mixture weights ``[3, 128, senones]``, stored in bytes as negative logarithms in steps of 1024 log 1.0001."""
    content = path.read_bytes()
    place = 0
    while True:
        (length,) = struct.unpack_from("<i", content, place)
        place += 4 + length
        if length == 0:
            break
    densities, senones = struct.unpack_from("<2i", content, place)
    levels = np.frombuffer(content, np.uint8, STREAMS * densities * senones, place + 8)
    return np.exp(-1024.0 * np.log(1.0001) * levels.reshape(STREAMS, densities, senones))


def _phones(path: Path) -> tuple[str, ...]:
    """Names of the context-free phones, in their order."""
    content = path.read_bytes()
    end = b"END FILE FORMAT DESCRIPTION\n"
    place = content.index(end) + len(end)
    while content[place] == 0:
        place += 1
    (count,) = struct.unpack_from("<i", content, place)
    names = content[place + 40 :].split(b"\0", count)[:count]
    return tuple(name.decode("ascii") for name in names)


def _steps(path: Path) -> np.ndarray:
    """Log probabilities of the steps between states, ``[P, 3, 4]``."""
    content = path.read_bytes()
    place = content.index(b"endhdr\n") + len(b"endhdr\n")
    mark, phones, states, targets, count = struct.unpack_from("<I4i", content, place)
    if mark != 0x11223344 or (states, targets) != (STATES, STATES + 1):
        raise ValueError(f"{path.name} is of another kind")
    numbers = np.frombuffer(content, "<f4", count, place + 20).reshape(phones, states, targets)
    shares = numbers / numbers.sum(-1, keepdims=True)
    return np.log(np.maximum(shares, np.exp(LEAST))).astype(np.float32)


def _grammar(path: Path, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities of single phones ``[P]`` and of a phone after two others ``[P, P, P]``."""
    table, logarithm = NGramModel(Config(), LogMath(), str(path)), np.log(1.0001)
    first = np.array([table.prob([name]) for name in names])
    third = np.array([[[table.prob([c, b, a]) for c in names] for b in names] for a in names])  # newest first
    first, third = (np.maximum(values * logarithm, LEAST) for values in (first, third))
    excess = np.logaddexp.reduce(third, axis=-1, keepdims=True)  # the table is faulty after rare pairs
    return first.astype(np.float32), (third - np.maximum(excess, 0.0)).astype(np.float32)
