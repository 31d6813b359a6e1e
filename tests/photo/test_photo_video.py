"""Two people in one picture: who moves, who stays, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mggtalk.errors import OptionError
from mggtalk.media.sound import Sound, load_sound
from mggtalk.motion.motion_file import load_motion
from mggtalk.motion.timing import ease, resample
from mggtalk.photo.parts import read_part, read_parts
from mggtalk.photo.people import EDGE, Photo, Sitter, open_photo, prepare_sitter
from mggtalk.photo.video import Role, animate_photo, mix_sounds
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion, select
from tests.conftest import ROOT

PEOPLE = ("hugo", "nora")


@pytest.fixture(scope="module")
def photo(pipeline: MGGTalkPipeline) -> Photo:
    """Two of the example portraits, side by side."""
    faces = [Image.open(ROOT / f"examples/portraits/{name}.jpg").resize((320, 320)) for name in PEOPLE]
    return open_photo(pipeline, np.concatenate([np.asarray(face) for face in faces], axis=1))


@pytest.fixture(scope="module")
def sitter(pipeline: MGGTalkPipeline, photo: Photo) -> Sitter:
    return prepare_sitter(pipeline, photo, 1)


@pytest.fixture(scope="module")
def nod() -> Motion:
    motion = load_motion(ROOT / "examples/look_around.npz")
    return select(motion, [0, 20, 40], 5.0)


def test_one_moves_and_all_else_stays_as_it_is(
    pipeline: MGGTalkPipeline, photo: Photo, sitter: Sitter, nod: Motion
) -> None:
    assert len(photo.faces) == 2
    first = prepare_sitter(pipeline, photo, 0)
    video = animate_photo(pipeline, photo, {0: first, 1: sitter}, {1: Role(nod, start=0.6), 0: Role(nod, start=2.0)})
    frames = list(video)
    assert len(frames) == len(video) == 13 and frames[0].shape == photo.picture.shape
    differences = [np.abs(frame.astype(int) - photo.picture).max(axis=2) for frame in frames]
    assert not differences[0].any(), "both rest"
    for index in (0, 5, 9):
        apart = np.abs(video.frame(index).astype(int) - frames[index])
        assert apart.mean() < 0.2, "a frame alone is that of the video"
    middle = photo.width // 2 - int(0.05 * photo.width)
    assert all(not difference[:, :middle].any() for difference in differences[:8]), "hugo rests while nora moves"
    assert not differences[9][:, photo.width // 2 + 40 :].any(), "and nora while hugo moves"
    x0, y0, side = (int(value) for value in sitter.window)
    moved = differences[5]
    assert (moved[y0 : y0 + side, x0 : x0 + side] > 30).mean() > 0.02, "her head turns"
    band = max(1, int(0.3 * EDGE * side))
    if x0 > 0:
        assert moved[y0 : y0 + side, x0 : x0 + band].max() <= 8, "where the square ends, it is the photo"


def test_parts_are_read_and_doubles_refused(tmp_path: Path) -> None:
    file = tmp_path / "a@1.wav"
    file.touch()
    assert read_part(f"2={file}") == (2, str(file), 0.0, False)
    assert read_part("0=speech.wav@1.5") == (0, "speech.wav", 1.5, False)
    hears = read_part("1=listener:speech.wav@2")
    assert hears == (1, "speech.wav", 2.0, True) and hears.kind == "speech"
    for wrong in ("speech.wav", "=a.wav", "x=a.wav"):
        with pytest.raises(OptionError, match="has no face"):
            read_part(wrong)
    with pytest.raises(OptionError, match="has no file"):
        read_part("0=")
    with pytest.raises(OptionError, match="driven twice"):
        read_parts(["0=a.mp4", "1=b.mp4", "0=c.mp4"])


def test_sounds_are_heard_at_their_times(nod: Motion) -> None:
    path = ROOT / "examples/hello.flac"
    assert mix_sounds([Role(nod, path), Role(nod)], 3.0) == path
    mixed = mix_sounds([Role(nod, path, 0.5), Role(nod, path, 2.0)], 6.0)
    assert isinstance(mixed, Sound) and mixed.seconds == pytest.approx(6.0) and mixed.peak <= 1.0
    start, alone = mixed.rate // 2, load_sound(path, mixed.rate).samples
    assert not mixed.samples[:start].any()
    here, there = mixed.samples[start : start + mixed.rate], alone[: mixed.rate]
    assert np.corrcoef(here, there)[0, 1] > 0.999


def test_a_motion_is_eased_in_and_out_and_resampled(sitter: Sitter, nod: Motion) -> None:
    rest = sitter.avatar.source
    eased = ease(nod, rest, 4, 6)
    assert len(eased) == 13
    assert (eased.expression[0] - rest.expression).abs().max() < 1e-6
    assert (eased.translation[-1] - rest.translation).abs().max() < 1e-5
    assert (eased.rotation[4] - nod.rotation[0]).abs().max() < 1e-5
    double = resample(nod, 10.0)
    assert len(double) == 6 and (double.expression[2] - nod.expression[1]).abs().max() < 1e-6
