"""Lips against lips: shifted, muted and shut ones are told apart; pauses and closures are counted."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mggtalk.evaluation.report import from_json, markdown, to_json
from mggtalk.evaluation.scores import REAL, TRAINED, ClipScore, Evaluation, Scores
from mggtalk.evaluation.speech import (
    AudioVisual,
    Count,
    Lips,
    SpeechScore,
    count_pauses,
    judge_sync,
    pauses,
    score_lips,
)
from mggtalk.speech.features import FRAMES_PER_SECOND, SpeechFeatures
from mggtalk.speech.hearing import Speech
from mggtalk.speech.phones import Phone

FPS = 25.0


def speech(active, said=()):
    """What is known of a recording in which somebody speaks at some times."""
    curve = active.astype(np.float32)
    features = SpeechFeatures(curve, active, curve, curve, curve, np.zeros(len(curve), bool))
    seconds = len(active) / FRAMES_PER_SECOND
    return Speech(features, np.zeros((0, 42)), said, 1.0, seconds, (0.0, 0.5, 1.0), None, None, np.zeros(42), seconds)


def talking(seconds=8.0):
    """Speech with pauses of 0.25, 0.5 and 1.5 seconds."""
    active = np.ones(int(seconds * FRAMES_PER_SECOND), bool)
    for start, length in ((1.0, 0.25), (2.0, 0.5), (4.0, 1.5)):
        active[int(start * FRAMES_PER_SECOND) : int((start + length) * FRAMES_PER_SECOND)] = False
    return active


def lips(frames=200, seed=0):
    chance = np.random.default_rng(seed)
    smooth = np.convolve(chance.standard_normal(frames + 4), np.ones(5) / 5, "valid")
    return Lips(5.0 + 4.0 * smooth, 50.0 - smooth)


def test_lips_that_are_late_and_muted_are_found_out():
    true = lips()
    made = Lips(0.5 * true.shifted(-2).gap, true.width)
    score = score_lips(made, true, speech(talking()), FPS)
    assert score.offset == 2
    assert score.gap_correlation < 0.7 < 0.98 < score.gap_correlation_shifted
    assert score.gap_slope_shifted == pytest.approx(0.5, abs=0.02) and score.gap_spread == pytest.approx(0.5, abs=0.02)
    assert score.width_correlation == pytest.approx(1.0) and score.width_correlation_shifted < 0.7


def test_pauses_are_counted_by_their_length():
    said = speech(talking())
    assert [end - start for start, end in pauses(said)] == pytest.approx([0.25, 0.5, 1.5])
    gap = np.full(200, 4.0)
    gap[int(4.3 * FPS) : int(5.3 * FPS)] = 0.3  # only the longest one sees closed lips
    assert count_pauses(gap, said, FPS) == (Count(0, 1), Count(0, 1), Count(0, 0), Count(1, 1))


def test_closures_need_closed_lips_at_their_phones():
    said = (Phone("P", 1.0, 1.08), Phone("AA", 1.08, 1.3), Phone("M", 3.0, 3.1))
    gap = np.full(200, 4.0)
    gap[26] = 0.9
    gap[60] = 0.0  # nobody asked for this one
    score = score_lips(Lips(gap, gap), lips(), speech(talking(), said), FPS)
    assert score.closures == Count(1, 2) and score.closures.share == 0.5


def test_only_clips_whose_lips_go_with_the_sound_at_once_are_in_sync():
    true = lips()
    assert judge_sync(true.shifted(-2), true) == AudioVisual(2.0, pytest.approx(1.0, abs=0.02))
    assert judge_sync(true.shifted(-2), true).in_sync and not judge_sync(true.shifted(5), true).in_sync
    assert not judge_sync(lips(seed=1), true).in_sync and not AudioVisual().in_sync


def test_the_report_says_what_is_corrected():
    true = lips()
    real = score_lips(true, true, speech(talking()), FPS)
    made = score_lips(true.shifted(-3), true, speech(talking()), FPS)
    clips = tuple(
        ClipScore(name, 10, 0, {TRAINED: Scores()}, speech={REAL: real, TRAINED: made}, sync=AudioVisual(lag, 0.5))
        for name, lag in (("a.mp4", 0.0), ("b.mp4", 4.0))
    )
    evaluation = Evaluation("audio", 256, 1, clips)
    again = from_json(to_json(evaluation))
    assert again.clips[0].speech == evaluation.clips[0].speech and again.clips[1].sync == clips[1].sync
    text = markdown(evaluation)
    assert "1 clips in sync (a)" in text and "2 clips (a, b)" in text
    assert f"{made.gap_correlation:.2f} ({made.gap_correlation_shifted:.2f})" in text
    alone = replace(evaluation, clips=clips[1:])
    assert "No clip is in sync" in markdown(alone)


def test_means_leave_out_what_is_not_known_and_pool_counts():
    some = SpeechScore(gap_correlation=0.4, offset=-3.0, closures=Count(1, 2))
    mean = SpeechScore.mean([some, SpeechScore(offset=1.0, closures=Count(2, 2))])
    assert mean.gap_correlation == 0.4 and mean.offset == 2.0 and mean.closures == Count(3, 4)
    assert math.isnan(mean.width_slope)
