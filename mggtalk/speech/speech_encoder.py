"""Hidden states of a speech encoder: what a network trained on very much speech hears in a recording.

wav2vec 2.0, HuBERT, WavLM and Whisper encoders are run by transformers, which is imported when one is loaded. Windows
lie on a grid that begins with the recording, overlap and are faded into each other, so that an hour needs no more
memory than a minute, and what is heard does not depend on how the samples come.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mggtalk.errors import WeightsMissingError
from mggtalk.nets.freeze import freeze
from mggtalk.runtime.cache import EMBEDDED, cache_folder
from mggtalk.runtime.quiet import quiet_loggers
from mggtalk.runtime.spool import Spool

RATE = 16000
"""Sampling rate in Hz."""

CLOCK = 50
"""Frames a second, for all encoders; frame ``i`` is centred on the time ``i / 50`` s."""

HOP = RATE // CLOCK
"""Samples between frames."""

SECONDS = 8
"""Length of a window for encoders that take any."""

LAP = 50
"""Frames by which windows overlap (1 s)."""

FIRST = 200
"""Samples before the first frame's centre that an encoder of the raw wave sees of it."""

KINDS = ("whisper", "wav2vec2", "hubert", "wavlm")
"""Families that are known, by the ``model_type`` in ``config.json``."""

PLACES = (EMBEDDED,)
"""Folders that encoders are looked for in, beside the cache."""


MADE_BY = "python -m scripts.make_speech_encoder"
"""Makes the encoder that the embedded prior hears with."""


def encoder_folder(name: str) -> Path | None:
    """Find an encoder: a folder of that path, or of that name among the weights or in the user's cache."""
    folders = (Path(name), *(place / name for place in PLACES), cache_folder() / name)
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


class SpeechEncoder:
    """The lower layers of a speech encoder, on the CPU.

    Args:
        folder: With ``config.json`` and weights, as transformers saves them.
        layer: How many layers are run.

    Raises:
        WeightsMissingError: If there is no such encoder in the folder, or it is of another kind or has fewer layers.
    """

    def __init__(self, folder: str | Path, layer: int) -> None:
        from transformers import AutoConfig, AutoModel, WhisperFeatureExtractor, WhisperForAudioClassification

        advice = f"Give a folder of transformers with one of {', '.join(KINDS)}."
        try:
            with quiet_loggers(), torch.random.fork_rng(devices=[]):
                config = AutoConfig.from_pretrained(folder, local_files_only=True)
                kind = config.model_type
                if kind not in KINDS:
                    raise WeightsMissingError(f"The encoder in {str(folder)!r} is a {kind!r}.", advice)
                family = WhisperForAudioClassification if kind == "whisper" else AutoModel
                model = family.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            if isinstance(error, WeightsMissingError):
                raise
            problem = f"The encoder in {str(folder)!r} cannot be read ({type(error).__name__})."
            raise WeightsMissingError(problem, advice) from error
        self.network: nn.Module = model.encoder if kind == "whisper" else model
        freeze(self.network)
        layers = self.network.layers if kind == "whisper" else model.encoder.layers
        if not 1 <= layer <= len(layers):
            problem = f"The encoder in {str(folder)!r} has {len(layers)} layers, asked for is layer {layer}."
            raise WeightsMissingError(problem, f"Choose 1 to {len(layers)}.")
        del layers[layer:]
        self.width = int(config.hidden_size)
        if kind == "whisper":
            self.network.layer_norm = nn.Identity()  # it normalises the whole network's last layer
        elif config.do_stable_layer_norm:
            model.encoder.layer_norm = nn.Identity()
        if getattr(model, "adapter", None) is not None:
            model.adapter = None  # it would take frames away
        self.mels: WhisperFeatureExtractor | None = None
        self.window = SECONDS * RATE
        if kind == "whisper":
            seconds = 2 * config.max_source_positions // 100
            self.mels = WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=seconds)
            self.window = seconds * RATE
        self.places = self.window // HOP
        if self.window < 3 * LAP * HOP:
            raise WeightsMissingError(f"The encoder in {str(folder)!r} hears {self.window / RATE:g} s at once.", advice)

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> Tensor:
        """Hidden states behind the last layer that is run.

        Args:
            samples: One window, float32 ``[W]`` at 16 kHz, with :data:`FIRST` samples before it and behind it.

        Returns:
            ``[W / 320, H]`` float32.
        """
        return self.network(self._see(samples)).last_hidden_state[0, : self.places]

    def into(self, basis: Tensor) -> Callable[[np.ndarray], Tensor]:
        """The same encoder, but what it returns is projected on directions ``[H, D]``: ``[W / 320, D]``."""
        if self.mels is None:
            return lambda samples: self(samples) @ basis
        network = copy(self.network)
        network._modules = dict(network._modules)  # layers are exchanged in the copy alone
        *layers, last = self.network.layers  # type: ignore[misc]
        network.layers = nn.ModuleList([*layers, ProjectedLayer(last, basis)])

        def project(samples: np.ndarray) -> Tensor:
            with torch.inference_mode():
                return network(self._see(samples)).last_hidden_state[0, : self.places]

        return project

    def _see(self, samples: np.ndarray) -> Tensor:
        """What the network reads of a window."""
        inside = samples[FIRST:-FIRST]
        wave = (samples - inside.mean()) / math.sqrt(float(inside.var()) + 1e-7)
        seen = torch.from_numpy(wave)[None]
        if self.mels is not None:
            seen = self.mels(wave[FIRST:-FIRST], sampling_rate=RATE, return_tensors="pt").input_features  # [1, n, m]
        return seen


class ProjectedLayer(nn.Module):
    """A layer of Whisper's encoder of whose states ``h + W2 gelu(W1 h')`` only some directions are wanted.

    Projecting ``W2`` once, not the states each time, saves a seventh of the products of an encoder of two layers.

    Args:
        layer: A ``WhisperEncoderLayer``.
        basis: ``[H, D]``.
    """

    basis: Tensor
    narrow: Tensor
    shift: Tensor

    def __init__(self, layer: nn.Module, basis: Tensor) -> None:
        super().__init__()
        self.layer = layer
        widest: Any = layer.fc2
        self.register_buffer("basis", basis)
        self.register_buffer("narrow", widest.weight.T @ basis)  # [4 H, D]
        self.register_buffer("shift", widest.bias @ basis)  # [D]

    def forward(self, states: Tensor, attention_mask: Tensor | None = None, **_: object) -> Tensor:
        """From ``[1, F, H]`` to ``[1, F, D]``."""
        layer: Any = self.layer
        states = states + layer.self_attn(layer.self_attn_layer_norm(states), attention_mask=attention_mask)[0]
        wide = layer.activation_fn(layer.fc1(layer.final_layer_norm(states)))  # [1, F, 4 H]
        return states @ self.basis + wide @ self.narrow + self.shift


@lru_cache(maxsize=2)
def load_encoder(folder: Path, layer: int) -> SpeechEncoder:
    """An encoder, which is read once."""
    return SpeechEncoder(folder, layer)


class Ears:
    """An encoder with the directions of its hidden states that matter.

    Args:
        encoder: Runs.
        basis: ``[H, D]``, hidden states are projected on it.
        offset: ``[W / 320, D]``, what speech is there on average: states also tell the place in the window.
    """

    def __init__(self, encoder: SpeechEncoder, basis: Tensor, offset: Tensor) -> None:
        self.encoder, self.basis, self.offset = encoder, basis, offset
        self._states = encoder.into(basis)

    def window(self, samples: np.ndarray) -> np.ndarray:
        """Sounds ``[W / 320, D]`` of one window, see :class:`SpeechEncoder`."""
        return (self._states(samples) - self.offset).numpy()


class Hearing:
    """Hears one recording block by block.

    Args:
        ears: Hear windows.
    """

    def __init__(self, ears: Ears) -> None:
        self.ears = ears
        self._held = np.zeros(LAP * HOP // 2 + FIRST, np.float32)  # silence before the recording, then what came
        self._samples = 0
        self._sounds = Spool()  # [F, D] float16
        self._early = LAP // 2  # frames before the recording that are still to come
        self._fading: np.ndarray | None = None  # end of the last window, [LAP, D]

    def feed(self, samples: np.ndarray) -> None:
        """Hear the next samples, float ``[n]``."""
        self._samples += len(samples)
        self._held = np.concatenate([self._held, np.asarray(samples, np.float32)])
        self._windows()

    def finish(self) -> Spool:
        """All sounds, ``[samples // 320 + 1, D]`` float16, 50 frames a second."""
        frames = self._samples // HOP + 1
        while len(self._sounds) < frames:
            self._held = np.pad(self._held, (0, self.ears.encoder.window))
            self._windows(frames)
        return self._sounds

    def _windows(self, frames: int | None = None) -> None:
        """Hear all windows that are complete; with ``frames``, the next one alone, and keep no more than these."""
        window = self.ears.encoder.window
        fade = ((np.arange(LAP) + 0.5) / LAP)[:, None]
        while len(self._held) >= window + 2 * FIRST:
            sounds = self.ears.window(self._held[: window + 2 * FIRST])
            if self._fading is not None:
                sounds[:LAP] = fade * sounds[:LAP] + (1.0 - fade) * self._fading
            self._fading = sounds[-LAP:]
            new = sounds[self._early : -LAP].astype(np.float16)
            self._sounds.add(new if frames is None else new[: frames - len(self._sounds)])
            self._early = 0
            self._held = self._held[window - LAP * HOP :]
            if frames is not None:
                return
