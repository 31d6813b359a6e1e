"""The audio-to-expression prior: how lips follow sounds, learned from people who speak.

A linear filter over time takes the place of the rules, but for their closures. It starts at zero, it only moves lips
and jaw (see :func:`mouth_region`), and where nobody speaks it adds nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor, nn

from mggtalk.config import EXPRESSION_COMPONENTS, AudioPriorConfig
from mggtalk.errors import WeightsMissingError
from mggtalk.face import topology
from mggtalk.face.face_model import FaceModel
from mggtalk.nets.unet import is_zero, zero_init
from mggtalk.speech.speech_encoder import MADE_BY, Ears, encoder_folder, load_encoder
from mggtalk.speech.speech_inputs import CLOCK, PHONES, SpeechInputs

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

SPOKEN = 2.0
"""Seconds of speech from which on a recording's own mean counts more than that of all."""

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
    """Voice of one speaker, as it moves the lips: M M + M numbers, 156 in the embedded size."""

    mix: Tensor  # [M, M] how directions become more, less, or one another; zero changes nothing
    offset: Tensor  # [M] added wherever the speaker speaks

    @staticmethod
    def average(config: AudioPriorConfig) -> Voice:
        """The voice of no one."""
        return Voice(torch.zeros(config.region, config.region), torch.zeros(config.region))


class AudioPrior(nn.Module):
    """Speech to lips: ``(likely phones or sounds [F, P]) -> linear filter over time -> [F, M] -> gate``.

    It runs on the CPU, in single precision: it is fast there.

    Args:
        config: Its size.
    """

    region: Tensor
    mean: Tensor
    basis: Tensor  # with offset: see Ears; only for a prior that has an encoder
    offset: Tensor

    def __init__(self, config: AudioPriorConfig) -> None:
        super().__init__()
        self.config = config
        self.channels = config.sounds or PHONES
        self.register_buffer("region", torch.zeros(config.region, EXPRESSION_COMPONENTS))
        self.register_buffer("mean", torch.zeros(self.channels))
        if config.sounds:
            self.register_buffer("basis", torch.zeros(config.hidden, config.sounds))
            self.register_buffer("offset", torch.zeros(config.places, config.sounds))
        pad = config.taps // 2 * TAP
        self.linear = zero_init(nn.Conv1d(self.channels, config.region, config.taps, padding=pad, dilation=TAP))

    @property
    def untrained(self) -> bool:
        """Whether it adds nothing."""
        return is_zero(self.linear)

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
        return self.config.taps // 2 * TAP

    def forward(self, channels: Tensor, gate: Tensor, voice: Voice | None = None) -> Tensor:
        """Move the lips.

        Args:
            channels: Likely phones ``[B, F, P]``, or sounds for a prior with an encoder, see :meth:`centre`.
            gate: ``[B, F]``.
            voice: Of the speaker; of the filter's r it makes ``r + mix r + offset``.

        Returns:
            ``[B, F, M]`` in the directions of :attr:`region`.
        """
        lips = self.linear(channels.transpose(1, 2)).transpose(1, 2)  # [B, F, M]
        if voice is not None:
            lips = lips + lips @ voice.mix.T + voice.offset
        return lips * gate[..., None]

    def centre(self, inputs: SpeechInputs) -> Tensor:
        """The channels ``[F, P]`` without what is usual in their recording.

        Voice, language and microphone shift them all, and would open or close the mouth for good. The less is said,
        the nearer is what is taken away to the mean ``m`` of all recordings: ``(s u + 2 m) / (s + 2)`` for s seconds.
        """
        usual = torch.from_numpy(inputs.usual)
        middle = (inputs.spoken * usual + SPOKEN * self.mean) / (inputs.spoken + SPOKEN)  # [P]
        return torch.from_numpy(inputs.channels) - middle

    @torch.inference_mode()
    def listen(self, inputs: SpeechInputs, moments: np.ndarray, voice: Voice | None = None) -> Tensor:
        """The lips at the frames of a video. Long recordings are seen in overlapping pieces without any seam.

        Args:
            inputs: Of the recording.
            moments: Of the video's frames ``[T]``, seconds.
            voice: Of the speaker; the average one by default.

        Returns:
            ``[T, K]``, to be blended with the rules' expression, see :func:`blend`.
        """
        frames = len(inputs.channels)
        whole_channels, whole_gate = self.centre(inputs), torch.from_numpy(inputs.gate)
        parts = []
        for start in range(0, frames, CHUNK):
            low, high = max(start - self.reach, 0), min(start + CHUNK + self.reach, frames)
            seen = self(whole_channels[low:high][None], whole_gate[low:high][None], voice)[0]  # [n, M]
            parts.append(seen[start - low : start - low + CHUNK])
        whole = torch.cat(parts)  # [F, M]
        place = torch.from_numpy(np.clip(moments * CLOCK, 0.0, frames - 1)).float()  # [T]
        below = place.long().clamp(max=max(frames - 2, 0))
        above = (below + 1).clamp(max=frames - 1)
        return torch.lerp(whole[below], whole[above], (place - below)[:, None]) @ self.region  # [T, K]


def blend(rules: Tensor, lips: Tensor, closed: Tensor, config: AudioPriorConfig) -> Tensor:
    """What was learned, and the rules where they close the lips: ``lips + c closed (rules - lips)``.

    Args:
        rules: Expressions of the rules relative to rest, ``[..., K]``.
        lips: Those of the prior, ``[..., K]``.
        closed: How far the rules close the lips, ``[...]``.
        config: Has the share of their closures, ``c``.

    Returns:
        Expressions relative to rest, ``[..., K]``.
    """
    return torch.lerp(lips, rules, config.closing * closed[..., None])
