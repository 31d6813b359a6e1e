"""The acoustic model's frame by frame likelihoods against pocketsphinx's own decoder."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.media.sound import Sound
from mggtalk.motion.acoustic import BLOCK, CLOCK, acoustic_model, cepstra, phone_posteriors
from mggtalk.motion.listen import SpeechCurves
from mggtalk.motion.phones import PHONES


@pytest.fixture(scope="module")
def posteriors(hello: Sound) -> np.ndarray:
    return phone_posteriors(cepstra(hello.samples))


def test_the_model_knows_the_decoders_phones() -> None:
    assert set(acoustic_model().phones) == PHONES | {"SIL", "+NSN+", "+SPN+"}


def test_posteriors_are_shares(posteriors: np.ndarray, hello: Sound) -> None:
    assert posteriors.shape == (len(hello.samples) // 160 + 1, 42)
    assert posteriors.min() >= 0.0
    np.testing.assert_allclose(posteriors.sum(1), 1.0, atol=1e-5)


def test_likeliest_phones_are_mostly_the_decoders(posteriors: np.ndarray, hello_curves: SpeechCurves) -> None:
    names = acoustic_model().phones
    assert hello_curves.phones is not None
    same = []
    for name, start, end in hello_curves.phones.phones:
        for frame in range(round(start * CLOCK) + 1, min(round(end * CLOCK), len(posteriors))):
            same.append(names[int(posteriors[frame].argmax())] == name)
    assert np.mean(same) > 0.4  # one of 42 by chance; the decoder also knows neighbours and a language


def test_blocks_leave_no_trace(hello: Sound) -> None:
    values = cepstra(np.tile(hello.samples, 2))
    assert len(values) > 2 * BLOCK
    whole = phone_posteriors(values)
    centred = values - values.mean(0)
    part = phone_posteriors(np.concatenate([centred[:900], -centred[:900]]))  # of the same mean, zero
    np.testing.assert_allclose(whole[:890], part[:890], atol=1e-5)


def test_louder_is_the_same(hello: Sound) -> None:
    quiet = phone_posteriors(cepstra(hello.samples))
    loud = phone_posteriors(cepstra(2.0 * hello.samples))
    assert np.abs(quiet - loud).mean() < 1e-3
