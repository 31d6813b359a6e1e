"""Files of voices: what is special about one speaker's lips."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mggtalk.config import AudioPriorConfig
from mggtalk.errors import WeightsMissingError
from mggtalk.media.files import temporary_beside
from mggtalk.motion.audio_prior import Voice

SUFFIX = ".safetensors"
"""Of the files."""


def save_voice(voice: Voice, path: str | Path) -> None:
    """Write a voice as ``.safetensors``; the file appears when it is complete."""
    partial = temporary_beside(Path(path), SUFFIX)
    try:
        save_file({name: value.contiguous() for name, value in voice._asdict().items()}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_voice(path: str | Path, config: AudioPriorConfig) -> Voice:
    """Read a voice.

    Raises:
        WeightsMissingError: If the file cannot be read or belongs to a prior of another size.
    """
    try:
        values = load_file(path)
        voice = Voice(**values)
    except (OSError, SafetensorError, TypeError) as error:
        raise WeightsMissingError(
            f"The voice {str(path)!r} cannot be read ({type(error).__name__}).", "Fit it again."
        ) from error
    if [value.shape for value in voice] != [value.shape for value in Voice.average(config)]:
        raise WeightsMissingError(f"The voice {str(path)!r} belongs to a prior of another size.", "Fit it again.")
    return voice
