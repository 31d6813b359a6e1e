import numpy as np
import pytest
import torch

from mggtalk.evaluation.quality import SAFE_YAW, measure, mouth_opening, sync
from mggtalk.geometry import euler_to_rotation
from mggtalk.media import Sound
from mggtalk.speech.attend import NOTE


@pytest.fixture
def still(avatar, motion):
    """Two seconds of the portrait's own pose and expression."""
    return motion.with_(
        expression=avatar.expression.repeat(50, 1),
        rotation=avatar.rotation.repeat(50, 1, 1),
        translation=avatar.translation.repeat(50, 1),
    )


def turned(still, avatar, yaw):
    """With yaws ``[T]`` in degrees on top of the portrait's pose."""
    angles = torch.deg2rad(torch.stack([torch.zeros_like(yaw), yaw, torch.zeros_like(yaw)], dim=-1))
    return still.with_(rotation=euler_to_rotation(angles) @ avatar.rotation)


def test_a_still_is_steady_and_needs_no_advice(still, avatar, pipeline):
    quality = measure(still, avatar, pipeline.face_model)
    assert quality.jitter < 1e-3 and quality.out_of_range == 0 and quality.lost == 0
    assert quality.sync is None and quality.advice == ()


def test_trembling_is_told_from_turning(still, avatar, pipeline):
    slow = turned(still, avatar, 20 * torch.sin(torch.arange(50) / 25 * 3))
    shake = turned(still, avatar, torch.where(torch.arange(50) % 2 == 0, 0.6, -0.6))
    calm, rough = (measure(entry, avatar, pipeline.face_model) for entry in (slow, shake))
    assert calm.jitter < 0.2 < 0.5 < rough.jitter
    assert calm.advice == () and "trembles" in rough.advice[0]


def test_seconds_out_of_range_and_lost_frames_are_counted(still, avatar, pipeline):
    yaw = torch.cat([torch.zeros(25), torch.full((25,), SAFE_YAW + 5)])
    found = torch.ones(50, dtype=torch.bool)
    found[:3] = False
    quality = measure(turned(still, avatar, yaw).with_(found=found), avatar, pipeline.face_model)
    assert quality.out_of_range == pytest.approx(1.0) and quality.lost == 3
    assert quality.yaw[1] == pytest.approx(SAFE_YAW + 5, abs=0.01)
    assert any("pose strength" in line for line in quality.advice) and any("3 of 50" in line for line in quality.advice)


@pytest.mark.parametrize("late", [-0.16, 0.0, 0.2])
def test_a_known_lag_of_the_lips_is_found(late):
    generator = np.random.default_rng(3)
    loud = np.repeat(generator.random(30), 1600) * np.repeat(np.tile([1.0, 0.1], 15), 1600)  # syllables of 0.1 s
    sound = Sound((loud * generator.normal(size=len(loud)) * 0.3).astype(np.float32), 16000)
    times = np.arange(75) / 25 - late
    opening = np.interp(times, np.arange(len(loud)) / 16000, np.convolve(loud, np.ones(800) / 800, "same"))
    found = sync(opening, 25.0, sound)
    assert found is not None and found.correlation > 0.5
    assert found.lag == pytest.approx(late, abs=0.05)


def test_a_listeners_lips_are_not_compared_with_the_sound(still, avatar, pipeline, hello):
    assert measure(still, avatar, pipeline.face_model, hello).sync is not None
    assert measure(still.with_(notes=(NOTE,)), avatar, pipeline.face_model, hello).sync is None


def test_silence_has_no_sync():
    assert sync(np.zeros(75), 25.0, Sound(np.zeros(48000, np.float32), 16000)) is None


def test_mouth_opening_is_the_gap(avatar, pipeline):
    vertices = avatar.vertices[None].clone()
    before = mouth_opening(vertices)
    vertices[:, [95, 88, 178, 87, 14, 317, 402, 318, 324], 1] -= 0.1  # all of the lower inner lip but its corners
    assert float(mouth_opening(vertices) - before) == pytest.approx(0.1 * 9 / 11, abs=1e-4)
