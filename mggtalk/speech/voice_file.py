"""Files of voices: what is special about one speaker's lips."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mggtalk.config import AudioPriorConfig
from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.files import whole_file
from mggtalk.speech.audio_prior import Voice

SUFFIX = ".safetensors"
"""Of the files."""

ENCODER = "encoder"
"""Key of the speech encoder's name in a file."""


class OwnVoice(NamedTuple):
    """The voice of the person of an adapter."""

    voice: Voice
    encoder: str  # that its prior hears with; empty: likely phones

    def fits(self, config: AudioPriorConfig) -> bool:
        """Whether it belongs to a prior of this configuration."""
        shapes = [value.shape for value in self.voice] == [value.shape for value in Voice.average(config)]
        return shapes and self.encoder == config.encoder


def save_voice(voice: Voice, path: str | Path, config: AudioPriorConfig) -> None:
    """Write a voice of a prior as ``.safetensors``; the file appears when it is complete."""
    with whole_file(Path(path)) as partial:
        values = {name: value.contiguous() for name, value in voice._asdict().items()}
        save_file(values, partial, metadata={ENCODER: config.encoder})


def load_voice(path: str | Path, config: AudioPriorConfig) -> Voice:
    """Read a voice.

    Raises:
        WeightsMissingError: If the file cannot be read, or belongs to a prior of another size or speech encoder.
    """
    try:
        with safe_open(path, "pt") as file:
            voice = Voice(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  no mapping
            encoder = (file.metadata() or {}).get(ENCODER, "")
    except (OSError, SafetensorError, TypeError) as error:
        raise WeightsMissingError(
            f"The voice {str(path)!r} cannot be read ({type(error).__name__}).", "Fit it again."
        ) from error
    if OwnVoice(voice, encoder).fits(config):
        return voice
    if encoder == config.encoder:
        raise WeightsMissingError(f"The voice {str(path)!r} belongs to a prior of another size.", "Fit it again.")
    made, used = (name or "likely phones" for name in (encoder, config.encoder))
    problem = f"The voice {str(path)!r} belongs to a prior that hears with {made}, in use is one with {used}."
    raise WeightsMissingError(problem, "Fit it again.")
