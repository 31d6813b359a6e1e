"""The acoustic model's frame by frame likelihoods, and the best path through them, against pocketsphinx itself."""

from __future__ import annotations

import numpy as np
import pytest
from pocketsphinx import Decoder, get_model_path

from mggtalk.media.sound import Sound
from mggtalk.speech.acoustic import BLOCK, state_scores
from mggtalk.speech.acoustic_model import STREAMS, acoustic_model
from mggtalk.speech.features import record
from mggtalk.speech.phones import PHONES, SILENCE, best_path, recognise


@pytest.fixture(scope="module")
def values(hello: Sound) -> np.ndarray:
    values = record(hello).cepstra[:]
    return values - values.mean(0)


def test_the_model_knows_the_phones() -> None:
    assert set(acoustic_model().phones) == PHONES | {"SIL", "+NSN+", "+SPN+"}


def test_probabilities_are_shares() -> None:
    model = acoustic_model()
    np.testing.assert_allclose(np.exp(model.steps).sum(-1), 1.0, atol=1e-5)
    assert 0.5 < np.exp(model.third).sum(-1).min() and np.exp(model.third).sum(-1).max() < 1.01  # the rest: the end


def test_scores_by_hand(values: np.ndarray) -> None:
    model = acoustic_model()
    frame, phone = 300, model.phones.index("AA")
    streams = values[frame], values[frame + 2] - values[frame - 2]
    curvature = values[frame + 3] - values[frame - 1] - values[frame + 1] + values[frame - 3]
    total = np.zeros(3)
    for number, stream in enumerate((*streams, curvature)):
        square = model.square[number].reshape(27, len(model.phones), 128)[:, phone].astype(float)
        density = 2.0 ** (np.concatenate([stream**2, stream, [1.0]]) @ square)
        total += np.log(model.mixture[number, phone] @ density)
    assert number + 1 == STREAMS
    np.testing.assert_allclose(state_scores(values, frame, frame + 1)[0, phone], total, atol=1e-3)


def test_likelihoods_are_shares(hello: Sound) -> None:
    _, likely = recognise(record(hello).cepstra)
    assert likely.shape == (len(hello.samples) // 160 + 1, 42)
    assert likely.min() >= 0.0
    np.testing.assert_allclose(likely.sum(1, dtype=float), 1.0, atol=5e-3)  # half precision


def test_blocks_leave_no_trace(values: np.ndarray) -> None:
    low, high = 150, 150 + 2 * BLOCK + 33
    whole = state_scores(values, 0, len(values))
    np.testing.assert_allclose(whole[low:high], state_scores(values, low, high), atol=2e-3)


def test_louder_is_the_same(hello: Sound) -> None:
    quiet, loud = (recognise(record(hello._replace(samples=k * hello.samples)).cepstra)[1] for k in (1.0, 2.0))
    assert np.abs(quiet.astype(float) - loud).mean() < 1e-3


def test_the_path_is_the_best_one() -> None:
    model = acoustic_model()
    names = [model.phones.index(name) for name in ("HH", "AH", "L")]
    scores = np.full((18, len(model.phones), 3), -50.0, np.float32)
    for frame in range(18):
        scores[frame, names[frame // 6], frame % 6 // 2] = 0.0  # two frames in each state
    path = best_path(scores, model)
    assert [(phone, first, last) for phone, first, last, _ in path] == [
        (phone, 6 * place, 6 * place + 6) for place, phone in enumerate(names)
    ]
    total = model.first[names[0]] + model.first[names[1]] + model.third[tuple(names)]
    for phone in names:
        steps = model.steps[phone]
        total += sum(steps[state, state] + steps[state, state + 1] for state in range(3))
    assert sum(reached for *_, reached in path) == pytest.approx(total, abs=1e-3)


def test_the_decoder_inside_pocketsphinx_mostly_agrees(hello: Sound) -> None:
    folder = get_model_path("en-us")
    decoder = Decoder(
        hmm=f"{folder}/en-us", allphone=f"{folder}/en-us-phone.lm.bin", lm=None, dict=None, loglevel="FATAL"
    )
    decoder.start_utt()
    decoder.process_raw((hello.samples * 0.8 / hello.peak * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    theirs, ours = (np.full(len(hello.samples) // 160 + 2, SILENCE, "<U3") for _ in range(2))
    for part in decoder.seg():
        theirs[part.start_frame + 1 : part.end_frame + 2] = part.word  # their windows begin where ours are centred
    for name, start, end in recognise(record(hello).cepstra)[0].phones:
        ours[round(100 * start) : round(100 * end)] = name
    assert np.mean(theirs == ours) > 0.6
