"""Which audio prior moves the lips: the one with a speech encoder where that can be had, else the one with phones."""

from __future__ import annotations

from mggtalk.config import ENCODED
from mggtalk.speech.audio_prior import AudioPrior
from mggtalk.speech.smart_turn import why_not_fetched
from mggtalk.speech.speech_encoder import Ears, encoder_folder


def choose_prior(phones: AudioPrior, encoded: AudioPrior) -> tuple[AudioPrior, Ears | None]:
    """Choose between two audio priors.

    Args:
        phones: Hears with the phone decoder, which is always here.
        encoded: Hears with a speech encoder.

    Returns:
        The one to use, and what hears for it (None: the phone decoder).

    Raises:
        WeightsMissingError: If the encoder is here but broken.
    """
    if encoded.untrained or missing_encoder(encoded):
        return phones, None
    return encoded, encoded.ears()


def missing_encoder(encoded: AudioPrior) -> str:
    """Why the speech encoder that these weights hear with is not here; empty if it is, or could be fetched."""
    name = encoded.config.encoder
    if encoder_folder(name) is not None:
        return ""
    return why_not_fetched() if name == ENCODED.encoder else f"there is no folder of {name!r}"


def encoder_notes(encoded: AudioPrior) -> tuple[str, ...]:
    """What to tell when the lips follow phones although there are weights for a speech encoder."""
    missing = "" if encoded.untrained else missing_encoder(encoded)
    if not missing:
        return ()
    return (f"The speech encoder is not here ({missing}): lips follow likely phones, which is less exact.",)
