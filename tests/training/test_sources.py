"""Choosing the portraits of a clip."""

from __future__ import annotations

import torch

from mggtalk.face.blendshapes import INDEX
from mggtalk.training.data.sources import choose_sources, distances, lid_gaps, lip_gaps

JAW, BLINKS = INDEX["jawOpen"], (INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"])


def test_gaps_follow_jaw_and_lids_whatever_the_size(make_motion) -> None:
    closing = dict.fromkeys(BLINKS, [0.0, 0.0, 0.9])
    motion = make_motion([0.0] * 3, {JAW: [0.0, 0.6, 0.0], **closing})
    lips, lids = lip_gaps(motion.landmarks), lid_gaps(motion.landmarks)
    assert lips[1] > lips[0] + 0.05 and abs(float(lips[2] - lips[0])) < 0.03
    assert lids[2] < 0.6 * lids[0] and abs(float(lids[1] / lids[0]) - 1) < 0.2
    assert torch.allclose(lip_gaps(2 * motion.landmarks), lips, rtol=1e-4)


def test_distance_is_in_standard_deviations_and_tens_of_degrees(make_motion) -> None:
    motion = make_motion([0.0, 0.1745, 0.0])
    motion.expression[2] += 1.0
    assert torch.allclose(distances(motion, 0), torch.tensor([0.0, 1.0, 1.0]), atol=0.01)


def test_sources_are_first_open_turned_and_calm_with_open_eyes(make_motion) -> None:
    yaw = [0.2, 0.3, 0.3, 0.3, 0.25, 0.6, -0.5, 0.0, 0.0, 0.1]
    jaw = [0.2, 0.1, 0.3, 0.8, 0.9, 0.1, 0.1, 0.3, 0.0, 0.1]
    blink = [0.0, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0]
    motion = make_motion(yaw, {JAW: jaw, **dict.fromkeys(BLINKS, blink)})
    # frame 4 is the most open but blinks, frame 8 is the calmest, frame 5 the most turned
    assert choose_sources(motion, 4) == (0, 3, 5, 8)
    assert choose_sources(motion, 1) == (0,)
    six = choose_sources(motion, 6)
    assert six[:4] == (0, 3, 5, 8) and six[4] == 6 and len(set(six)) == 6
    assert sorted(choose_sources(motion, 99)) == list(range(10))
    lost = motion.with_(found=torch.arange(10) != 3)
    assert 3 not in choose_sources(lost, 4)


def test_profiles_are_no_portraits(make_motion) -> None:
    assert choose_sources(make_motion([0.0, 0.3, 1.2, 0.1]), 2) == (0, 1)
