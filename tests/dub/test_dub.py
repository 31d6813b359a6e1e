"""A film that is dubbed, from end to end: a prepared portrait that we render ourselves says something else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from mggtalk.config import CONSENT
from mggtalk.dub.dub import DubbedVideo, dub
from mggtalk.dub.study import sharpness
from mggtalk.errors import MediaError, OptionError
from mggtalk.face.lips import lip_gap
from mggtalk.media import VideoWriter, has_sound, load_sound, open_video, read_mark
from mggtalk.motion.motion_file import load_motion
from tests.unmarked import UNMARKED

if TYPE_CHECKING:
    from mggtalk.pipeline import MGGTalkPipeline

ROOT = Path(__file__).parents[2]
FRAMES, LOST = 44, 6
Pairs = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def film(prior_pipeline: MGGTalkPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kofi chatters in a wide film; in the last frames there is nobody."""
    avatar = prior_pipeline.prepare(ROOT / "examples" / "portraits" / "kofi.jpg")
    video = prior_pipeline.animate(avatar, load_motion(ROOT / "examples" / "chatter.npz"), 256)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, 360, 272, 25, **UNMARKED) as writer:
        for index, head in zip(range(FRAMES), video):
            frame = np.full((272, 360, 3), (40, 90, 60), np.uint8)
            if index < FRAMES - LOST:
                frame[8:264, 20:276] = head
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of speech: shorter than the film."""
    sound = load_sound(ROOT / "examples" / "hello.flac")
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    soundfile.write(path, sound.samples[: sound.rate], sound.rate)
    return path


@pytest.fixture(scope="module")
def dubbed(prior_pipeline: MGGTalkPipeline, film: Path, speech: Path) -> DubbedVideo:
    """The film with other words."""
    return dub(prior_pipeline, film, speech, CONSENT)


@pytest.fixture(scope="module")
def frames(dubbed: DubbedVideo, film: Path) -> Pairs:
    """Each frame as it was decoded, and dubbed."""
    return list(zip(open_video(film), dubbed))


def test_outside_of_the_lower_face_every_bit_is_the_films(dubbed: DubbedVideo, frames: Pairs) -> None:
    assert len(frames) == FRAMES
    changed = 0
    for points, (real, new) in zip(dubbed.plan.before, frames):
        rows, columns = np.nonzero((real != new).any(-1))
        if len(rows):
            changed += len(rows)
            width = np.ptp(points[:, 0])
            assert rows.min() > points[[159, 386], 1].max(), "eyes stay"
            assert points[:, 0].min() - 0.5 * width < columns.min()
            assert columns.max() < points[:, 0].max() + 0.5 * width
    assert changed > 1000


def test_frames_without_a_face_pass_unchanged_and_it_is_said(dubbed: DubbedVideo, frames: Pairs) -> None:
    assert all((real == new).all() for real, new in frames[-LOST:])
    assert any("pass unchanged" in note for note in dubbed.notes)


def test_the_lips_say_the_sound_and_close_behind_its_end(dubbed: DubbedVideo) -> None:
    heights = np.linalg.norm(dubbed.plan.after[:, 10] - dubbed.plan.after[:, 152], axis=-1)
    gap, own = (lip_gap(points) / heights for points in (dubbed.plan.after, dubbed.plan.before))  # [T]
    assert gap[:24].max() > 0.015 and gap[26:29].max() < 0.01
    assert np.abs(gap - own)[:29].max() > 0.01


def test_the_dubbed_mouth_is_as_sharp_as_the_real_one(dubbed: DubbedVideo, frames: Pairs) -> None:
    sums = np.zeros(2)
    for points, pair in list(zip(dubbed.plan.before, frames))[:29]:
        x, y = points[[61, 291, 0, 17]].mean(0).astype(int)
        sums += [sharpness(picture[y - 18 : y + 18, x - 24 : x + 24]) for picture in pair]
    assert sums[1] > 0.9 * sums[0]


def test_a_film_is_written_with_the_sound_and_the_mark(dubbed: DubbedVideo, tmp_path: Path) -> None:
    path = dubbed.save(tmp_path / "out.mp4")
    assert has_sound(path) and read_mark(path)
    assert sum(1 for _ in open_video(path)) == FRAMES


def test_without_consent_or_a_face_nothing_is_dubbed(
    prior_pipeline: MGGTalkPipeline, film: Path, speech: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError):
        dub(prior_pipeline, film, speech, "yes")
    with VideoWriter(tmp_path / "short.mp4", 360, 272, 25, **UNMARKED) as writer:
        for _, frame in zip(range(5), open_video(film)):
            writer.write(frame)
    with pytest.raises(MediaError, match="Only 5 frames"):
        dub(prior_pipeline, tmp_path / "short.mp4", speech, CONSENT)
