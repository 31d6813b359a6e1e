"""Make the example recordings: text written for this project, spoken by the espeak-ng synthesiser.

    pip install espeakng-loader==0.2.4
    python scripts/make_example_speech.py examples

The synthesiser is a tool for this script only; nothing of it is in the recordings or needed to run MGGTalk.
"""

from __future__ import annotations

import argparse
import ctypes
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

RATE = 16000
"""Sampling rate of the recordings, Hz."""

SYNCHRONOUS = 2
"""espeak's mode in which speaking returns when all samples were handed over."""

UTF8, SSML = 1, 0x10
"""espeak's flags for the text."""

WORDS_A_MINUTE, PITCH, PITCH_RANGE, WORD_GAP = 1, 3, 4, 7
"""espeak's numbers of its parameters."""


class Example(NamedTuple):
    """One recording."""

    voice: str  # of espeak, with its variant
    speed: int  # words a minute
    pitch: int  # 0 to 100
    text: str  # SSML


EXAMPLES = {
    "hello": Example(
        "en-us+klatt4",
        155,
        45,
        'Hello! <break time="300ms"/> One photo of me is all it took. <break time="350ms"/>'
        "Give me a voice, and my head moves in three dimensions.",
    ),
    "hello_german": Example(
        "de+klatt4",
        150,
        45,
        'Guten Tag! <break time="300ms"/> Ein einziges Foto genügt, und schon kann ich sprechen.',
    ),
}
"""The recordings by file name. The second shows what happens with a language that is not English."""


def speak(example: Example) -> tuple[np.ndarray, int]:
    """Synthesise: float64 samples ``[N]`` and their rate in Hz."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    pieces: list[np.ndarray] = []
    handler_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    def keep(samples: ctypes._Pointer, count: int, _events: int | None) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    handler = handler_type(keep)
    library.espeak_SetSynthCallback(handler)
    if library.espeak_SetVoiceByName(example.voice.encode()) != 0:
        raise SystemExit(f"espeak-ng has no voice {example.voice!r}")
    parameters = {WORDS_A_MINUTE: example.speed, PITCH: example.pitch, PITCH_RANGE: 60, WORD_GAP: 1}
    for parameter, value in parameters.items():
        library.espeak_SetParameter(parameter, value, 0)
    text = f"<speak>{example.text}</speak>".encode()
    library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, UTF8 | SSML, None, None)
    library.espeak_Synchronize()
    library.espeak_Terminate()
    return np.concatenate(pieces) / 32768.0, rate


def soften(samples: np.ndarray, rate: int) -> np.ndarray:
    """Take the edge off: less buzz above 5 kHz, a breath of a small room, half a second of quiet around."""
    common = gcd(rate, RATE)
    sound = resample_poly(samples, RATE // common, rate // common)  # [N]
    sound = sosfilt(butter(2, (70, 6000), "bandpass", fs=RATE, output="sos"), sound)
    rng = np.random.default_rng(0)
    time = np.arange(int(0.12 * RATE)) / RATE
    room = 0.02 * rng.standard_normal(len(time)) * np.exp(-time / 0.03)
    room[0] = 1.0
    sound = fftconvolve(np.pad(sound, (int(0.3 * RATE), int(0.4 * RATE))), room)  # [N']
    sound = 0.6 * sound / np.abs(sound).max() + 2e-4 * rng.standard_normal(len(sound))
    return sound.astype(np.float32)


def main() -> None:
    """Write all examples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, example in EXAMPLES.items():
        sound = soften(*speak(example))
        path = folder / f"{name}.flac"
        soundfile.write(path, sound, RATE, subtype="PCM_16")
        print(f"{path}: {len(sound) / RATE:.2f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
