"""Train what tells voices from music (:mod:`mggtalk.speech.music`) on folders of recordings.

::

    python -m scripts.train_music --speech talks more_talks --music songs game_music --out weights/music.safetensors

Each folder of music and each file of speech is held out in one of five folds; how often the held-out ones are mistaken
is logged. Speech is used as it is, over music (6 dB below it) and in noise (15 dB below it).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import save_file
from scipy.optimize import minimize
from scipy.special import expit

from mggtalk.errors import MediaError
from mggtalk.media.sound import Sound, load_sound
from mggtalk.speech.features import RATE, record
from mggtalk.speech.music import MUSIC, average_evidence, describe_windows, log_odds, sound_of_seconds
from mggtalk.speech.phones import recognise

logger = logging.getLogger(__name__)

SECONDS = 15
"""Of a recording that are used: its middle."""

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".mp4", ".webm", ".m4a"}

FOLDS = 5

MUSICAL = "music"
"""Kind of the recordings in which nobody speaks."""

RIDGE = 10.0
"""Weight of the squared weights of standardised inputs, against the sum of the losses."""


class Example(NamedTuple):
    """A recording of W windows."""

    kind: str  # "speech", "over music", "in noise" or "music"
    fold: int
    inputs: np.ndarray  # [W, P + 3]
    loud: np.ndarray  # [W] bool


def main() -> None:
    """Train, tell how often held-out recordings are mistaken, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", nargs="+", type=Path, required=True, help="folders or files")
    parser.add_argument("--music", nargs="+", type=Path, required=True, help="folders, each of its own kind")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    examples = [*examples_of(given.speech, given.music, np.random.default_rng(0))]
    without = [fit([example for example in examples if example.fold != fold]) for fold in range(FOLDS)]
    for kind in sorted({example.kind for example in examples}):
        shares = [share_of_music(example, without[example.fold]) for example in examples if example.kind == kind]
        logger.info(
            "%s: %d held-out recordings, %.1f %% of their seconds are music", kind, len(shares), 100 * np.mean(shares)
        )
    save_file({"weights": fit(examples).astype(np.float32)}, given.out)
    logger.info("Written: %s. Run python -m scripts.index_weights.", given.out)


def examples_of(speech: list[Path], music: list[Path], chance: np.random.Generator) -> Iterator[Example]:
    """Describe all recordings, speech three times."""
    songs = [(fold % FOLDS, sound) for fold, folder in enumerate(music) for sound in sounds_of([folder])]
    for fold, song in songs:
        yield describe(MUSICAL, fold, song)
    for number, talk in enumerate(sounds_of(speech)):
        fold = number % FOLDS
        size = np.sqrt(np.square(talk).mean())
        tune = np.resize(songs[chance.integers(len(songs))][1], len(talk))
        noise = chance.normal(size=len(talk))
        tune, noise = (other * size / np.sqrt(np.square(other).mean() + 1e-12) for other in (tune, noise))
        yield describe("speech", fold, talk)
        yield describe("over music", fold, talk + 10 ** (-6 / 20) * tune)
        yield describe("in noise", fold, talk + 10 ** (-15 / 20) * noise)


def sounds_of(places: list[Path]) -> Iterator[np.ndarray]:
    """Read the middles of all recordings ``[n]`` that are longer than three seconds."""
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                samples = load_sound(path, rate=RATE).samples
            except MediaError as error:
                logger.warning("Left out: %s", error)
                continue
            first = max(len(samples) - SECONDS * RATE, 0) // 2
            middle = samples[first : first + SECONDS * RATE]
            if len(middle) >= 3 * RATE and np.abs(middle).max() > 1e-3:
                yield middle


def describe(kind: str, fold: int, samples: np.ndarray) -> Example:
    """Hear the phones of a recording."""
    recording = record(Sound((0.8 * samples / np.abs(samples).max()).astype(np.float32), RATE))
    _, likely = recognise(recording.cepstra)
    return Example(kind, fold, *describe_windows(sound_of_seconds(likely), recording.features.active))


def fit(examples: list[Example]) -> np.ndarray:
    """Weights of the inputs and the constant ``[P + 4]``: logistic regression, both kinds weighing the same."""
    inputs = np.concatenate([example.inputs[example.loud] for example in examples]).astype(np.float64)  # [N, P + 3]
    voice = np.concatenate([np.full(example.loud.sum(), example.kind != MUSICAL) for example in examples])  # [N]
    middle, width = inputs.mean(0), inputs.std(0) + 1e-6
    standard = np.append((inputs - middle) / width, np.ones((len(inputs), 1)), axis=1)  # [N, P + 4]
    sign = np.where(voice, 1.0, -1.0)
    weight = np.where(voice, 0.5 / voice.mean(), 0.5 / (1.0 - voice.mean()))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = sign * (standard @ weights)
        penalty = np.append(RIDGE * weights[:-1], 0.0)
        slope = standard.T @ (-weight * sign * expit(-odds)) + penalty
        return float((weight * np.logaddexp(0.0, -odds)).sum() + 0.5 * penalty @ weights), slope

    found = minimize(loss, np.zeros(standard.shape[1]), jac=True, method="L-BFGS-B").x
    scaled = found[:-1] / width
    return np.append(scaled, found[-1] - middle @ scaled)


def share_of_music(example: Example, weights: np.ndarray) -> float:
    """Share of a recording's loud windows that :func:`~mggtalk.speech.music.find_music` would take for music."""
    if not example.loud.any():
        return 0.0
    odds = log_odds(example.inputs, example.loud, weights)
    return float((average_evidence(odds) < MUSIC)[example.loud].mean())


if __name__ == "__main__":
    main()
