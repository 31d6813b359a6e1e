"""The audio-to-expression prior: what the rules miss, learned from people who speak.

The rules give an expression; a temporal convolutional network adds to it. Its last layer starts at zero, it only moves
lips and jaw (see :func:`mouth_region`), and where nobody speaks it adds nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import EXPRESSION_COMPONENTS, AudioPriorConfig
from mggtalk.errors import WeightsMissingError
from mggtalk.face import topology
from mggtalk.face.face_model import FaceModel
from mggtalk.nets.unet import is_zero, zero_init
from mggtalk.speech.features import N_MELS
from mggtalk.speech.speech_encoder import MADE_BY, Ears, encoder_folder, load_encoder
from mggtalk.speech.speech_inputs import CHANNELS, CLOCK, PHONES, SpeechInputs

CHIN = (152, 148, 176, 149, 377, 400, 378, 17, 18, 200, 199, 175)
"""Vertices from the lower lip to the chin, which follow the jaw."""

UPPER_FACE = (
    *topology.RIGHT_EYE, *topology.LEFT_EYE, *topology.RIGHT_BROW, *topology.LEFT_BROW, *topology.RIGHT_IRIS,
    *topology.LEFT_IRIS,
)  # fmt: skip
"""Vertices that speech must leave alone."""

STILLNESS = 3.0
"""Weight of the upper face's motion against that of the mouth."""

RIDGE = 1e-4
"""Weight of the coefficients' size against the mouth's motion, square decimetres."""

ENCODER_ADVICE = f"Make it with {MADE_BY}, or restore its folder."
"""Advice on getting a speech encoder."""

TAP = 2
"""Input frames between the taps of the linear filter."""

CHUNK = 1000
"""Input frames that the network sees at a time (20 s), beside those its receptive field reaches."""


def mouth_region(face_model: FaceModel, size: int) -> Tensor:
    """Directions of expression that move lips and jaw and leave eyes and brows where they are.

    They maximise ``b^T L b / (3 b^T U b + 1e-4 b^T b)``, where L and U are the mean squared displacements of the
    mouth's and the upper face's vertices by an expression b: a generalised eigenvalue problem.

    Args:
        face_model: The landmark 3DMM.
        size: M, how many.

    Returns:
        ``[M, K]``; a step of one along any of them moves the mouth's vertices by a millimetre (RMS).
    """
    basis = face_model.expression_basis.double()  # [K, V, 3]

    def energy(vertices: tuple[int, ...]) -> np.ndarray:
        moved = basis[:, list(vertices)].flatten(1)  # [K, n * 3]
        return (moved @ moved.T / len(vertices)).numpy()

    mouth = energy((*topology.LIPS, *CHIN))
    cost = STILLNESS * energy(UPPER_FACE) + RIDGE * np.eye(len(mouth))
    _, vectors = eigh(mouth, cost)  # ascending
    chosen = vectors[:, ::-1][:, :size].T  # [M, K]
    length = np.sqrt(np.einsum("mk,kl,ml->m", chosen, mouth, chosen))  # decimetres
    return torch.from_numpy(chosen * (0.01 / length)[:, None]).float()


class Voice(NamedTuple):
    """Voice of one speaker, as it moves the lips: S + M M + M numbers, 164 in the embedded size."""

    style: Tensor  # [S]
    mix: Tensor  # [M, M] how directions become more, less, or one another; zero changes nothing
    offset: Tensor  # [M] added wherever the speaker speaks

    @staticmethod
    def average(config: AudioPriorConfig) -> Voice:
        """The voice of no one."""
        return Voice(torch.zeros(config.style), torch.zeros(config.region, config.region), torch.zeros(config.region))


class AudioPrior(nn.Module):
    """Speech to changes of the rules' expression.

    ::

        channels [F, C + D] ─► 1x1 ─► dilated residual blocks, FiLM by (style, source) ─► 1x1 ─► + ─► · gate [F, M]
                 └──────► likely phones or sounds ─► linear filter over time ────────────────────► +

    It runs on the CPU, in single precision: it is fast there.

    Args:
        config: Its size.
    """

    mean: Tensor
    scale: Tensor
    region: Tensor
    basis: Tensor  # with offset: see Ears; only for a prior that has an encoder
    offset: Tensor

    def __init__(self, config: AudioPriorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.channels = CHANNELS + config.sounds
        self.filtered = slice(CHANNELS, self.channels) if config.sounds else slice(N_MELS, N_MELS + PHONES)
        self.register_buffer("mean", torch.zeros(self.channels))
        self.register_buffer("scale", torch.ones(self.channels))
        self.register_buffer("region", torch.zeros(config.region, EXPRESSION_COMPONENTS))
        if config.sounds:
            self.register_buffer("basis", torch.zeros(config.hidden, config.sounds))
            self.register_buffer("offset", torch.zeros(config.places, config.sounds))
        self.entry = nn.Conv1d(self.channels, width, 1)
        self.blocks = nn.ModuleList(_Block(width, 2**level, config) for level in range(config.levels))
        pad = config.taps // 2 * TAP
        self.linear = zero_init(
            nn.Conv1d(config.sounds or PHONES, config.region, config.taps, padding=pad, dilation=TAP)
        )
        self.last = zero_init(nn.Conv1d(width, config.region, 1))
        self.habit = zero_init(nn.Linear(config.style + config.region, config.region, bias=False))

    @property
    def untrained(self) -> bool:
        """Whether the residual is identically zero and nothing is learning it: the network need not run."""
        return not self.training and is_zero(self.last) and is_zero(self.linear)

    def ears(self) -> Ears | None:
        """Encoder that hears for this prior: None for one that reads likely phones.

        Raises:
            WeightsMissingError: If its speech encoder is not here.
        """
        config = self.config
        if not config.sounds:
            return None
        folder = encoder_folder(config.encoder)
        if folder is None:
            raise WeightsMissingError(f"The speech encoder {config.encoder!r} is not here.", ENCODER_ADVICE)
        encoder = load_encoder(folder, config.layer)
        if (encoder.width, encoder.places) != (config.hidden, config.places):
            found, wanted = f"{encoder.width} x {encoder.places}", f"{config.hidden} x {config.places}"
            problem = f"The speech encoder in {str(folder)!r} has windows of {found} numbers, expected {wanted}."
            raise WeightsMissingError(problem, ENCODER_ADVICE)
        return Ears(encoder, self.basis, self.offset)

    @property
    def reach(self) -> int:
        """Input frames to each side that one output frame depends on."""
        return max(2**self.config.levels - 1, self.config.taps // 2 * TAP)

    def forward(self, channels: Tensor, gate: Tensor, style: Tensor, source: Tensor) -> Tensor:
        """Predict the residual.

        Args:
            channels: ``[B, F, C]``, with the encoder's sounds behind them for a prior that has one.
            gate: ``[B, F]``.
            style: ``[B, S]``; zero is the average speaker.
            source: The portrait's expression at rest in the mouth's directions ``[B, M]``; zero for unknown.

        Returns:
            ``[B, F, M]`` in the directions of :attr:`region`.
        """
        channels = channels[..., : self.channels]
        hidden = ((channels - self.mean) / self.scale).transpose(1, 2)  # [B, C, F]
        hidden = self.entry(F.dropout(hidden, self.config.input_dropout, self.training))  # [B, width, F]
        condition = torch.cat([style, source * self.config.source_scale], dim=-1)  # [B, S + M]
        for block in self.blocks:
            hidden = block(hidden, condition)
        sounds = channels[..., self.filtered].transpose(1, 2)  # [B, P, F] or [B, D, F]
        change = (self.linear(sounds) + self.last(F.silu(hidden))).transpose(1, 2)  # [B, F, M]
        return (change + self.habit(condition)[:, None]) * gate[..., None]

    def speak(self, channels: Tensor, gate: Tensor, source: Tensor, voice: Voice) -> Tensor:
        """:meth:`forward` for one speaker: ``r + mix r + gate offset`` of the network's residual r."""
        residual = self(channels, gate, voice.style.expand(len(channels), -1), source)  # [B, F, M]
        return residual + residual @ voice.mix.T + gate[..., None] * voice.offset

    def source_of(self, expression: Tensor) -> Tensor:
        """An expression ``[..., K]`` in the mouth's directions ``[..., M]``, by least squares."""
        gram = self.region @ self.region.T + 1e-6 * torch.eye(len(self.region)).to(self.region)
        return torch.linalg.solve(gram, self.region @ expression.unsqueeze(-1)).squeeze(-1)

    @torch.inference_mode()
    def listen(
        self, inputs: SpeechInputs, moments: np.ndarray, source: Tensor | None = None, voice: Voice | None = None
    ) -> Tensor:
        """The residual at the frames of a video. Long recordings are seen in overlapping pieces without any seam.

        Args:
            inputs: Of the recording.
            moments: Of the video's frames ``[T]``, seconds.
            source: The portrait's expression at rest ``[K]``; unknown by default.
            voice: Of the speaker; the average one by default.

        Returns:
            ``[T, K]``, to be blended with the rules' expression, see :func:`blend`.
        """
        voice = voice or Voice.average(self.config)
        mouth = torch.zeros(self.config.region) if source is None else self.source_of(source)
        frames = len(inputs.channels)
        parts = []
        for start in range(0, frames, CHUNK):
            low, high = max(start - self.reach, 0), min(start + CHUNK + self.reach, frames)
            channels, gate = (torch.from_numpy(values[low:high])[None] for values in inputs)
            seen = self.speak(channels, gate, mouth[None], voice)[0]  # [n, M]
            parts.append(seen[start - low : start - low + CHUNK])
        whole = torch.cat(parts)  # [F, M]
        place = torch.from_numpy(np.clip(moments * CLOCK, 0.0, frames - 1)).float()  # [T]
        below = place.long().clamp(max=max(frames - 2, 0))
        above = (below + 1).clamp(max=frames - 1)
        return torch.lerp(whole[below], whole[above], (place - below)[:, None]) @ self.region  # [T, K]


def blend(rules: Tensor, residual: Tensor, closed: Tensor, config: AudioPriorConfig) -> Tensor:
    """Rules with what was learned: ``rules + (1 - c closed) (residual - (1 - s) rules)``.

    Args:
        rules: Expressions of the rules relative to rest, ``[..., K]``.
        residual: What the network adds, ``[..., K]``.
        closed: How far the rules close the lips, ``[...]``.
        config: Has the share ``s`` of the rules that stays, and that of their closures, ``c``.

    Returns:
        Expressions relative to rest, ``[..., K]``.
    """
    free = 1.0 - config.closing * closed
    return rules + free[..., None] * (residual - (1.0 - config.rules) * rules)


class _Block(nn.Module):
    """A dilated convolution over time between two normalisations, with a scale and a shift by the condition."""

    def __init__(self, width: int, dilation: int, config: AudioPriorConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.film = zero_init(nn.Linear(config.style + config.region, 2 * width))
        self.time = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.dropout = config.dropout

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """``[B, width, F]`` and ``[B, S + M]`` to ``[B, width, F]``."""
        scale, shift = self.film(condition)[..., None].chunk(2, dim=1)  # [B, width, 1]
        change = self.norm(hidden.transpose(1, 2)).transpose(1, 2) * (1.0 + scale) + shift
        change = self.mix(F.silu(self.time(F.silu(change))))
        return hidden + F.dropout(change, self.dropout, self.training)
