"""Shots of a driver's video: one after the other, each from its own rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mggtalk.motion.driver import track_notes
from mggtalk.motion.parts import join_shots
from mggtalk.motion.retarget import retarget
from mggtalk.scene import FaceTrack


def elsewhere(motion, offset):
    """The same performance by somebody with another rest, turned, aside and farther away."""
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.1], [0.3, 0.0, 0.2], [-0.1, -0.2, 0.0]]))
    place = motion.translation * 1.4 + 1.4 * motion.translation[:, 2:] * torch.tensor([0.1, -0.05, 0.0])
    expression, rest = motion.expression + offset, motion.rest + offset
    return motion.with_(expression=expression, rotation=motion.rotation @ turn, translation=place, rest=rest)


def test_another_person_after_a_cut_moves_the_portrait_as_the_first_did(pipeline, avatar, motion):
    first = motion.with_(rest=torch.full_like(motion.expression[0], 0.1))
    joined = join_shots([first, elsewhere(first, 0.7)])
    assert len(joined) == 10 and joined.rest is first.rest
    played = retarget(joined, avatar, "relative", pipeline.face_model)
    for name in ("expression", "rotation"):
        values = getattr(played, name)
        torch.testing.assert_close(values[:5], values[5:], atol=0.08 if name == "rotation" else 1e-5, rtol=0)
    assert (played.translation[:5] - played.translation[5:]).abs().max() < 0.25


def test_one_shot_is_left_as_it_is(motion):
    joined = join_shots([motion])
    torch.testing.assert_close(joined.rotation, motion.rotation)
    torch.testing.assert_close(joined.translation, motion.translation)
    assert torch.equal(joined.expression, motion.expression)


def test_a_clip_of_two_people_is_tracked_in_two_parts(pipeline, astronaut):
    first, second = np.ascontiguousarray(astronaut[:320, 64:384]), np.zeros((320, 320, 3), np.uint8)
    second[120:280, 20:180] = first[::2, ::2]  # the same one from farther away
    tracked = pipeline.track_frames([first] * 5 + [second] * 5, 25.0)
    assert len(tracked) == 10 and tracked.found.all()
    assert any("cut at 0.2 s" in note and "2 shots" in note for note in tracked.notes)
    assert not pipeline.track_frames([first] * 5, 25.0).notes


@pytest.mark.parametrize("cuts, lengths", [((), [8]), ((3,), [3, 5]), ((3, 6), [3, 5]), ((6,), [8])])
def test_shots_without_a_face_are_no_shots(cuts, lengths):
    found = np.array([True] * 5 + [False] * 3)
    track = FaceTrack(np.zeros((8, 478, 3), np.float32), np.zeros((8, 52), np.float32), found, 25.0, 64, 64, cuts)
    assert [len(shot) for shot in track.shots()] == lengths


def test_it_is_said_for_how_long_the_face_was_out_of_sight():
    found = np.ones(100, bool)
    found[10:15] = found[40:80] = False
    track = FaceTrack(np.zeros((100, 478, 3), np.float32), np.zeros((100, 52), np.float32), found, 25.0, 64, 64)
    (note,) = track_notes(track)
    assert "out of sight for 1.8 of 4.0 s, longest for 1.6 s from 1.6 s on" in note
    assert track_notes(replace(track, found=np.ones(100, bool))) == ()
