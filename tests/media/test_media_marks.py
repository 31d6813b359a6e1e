from __future__ import annotations

import io
import math

import numpy as np
import pytest
import soundfile
from PIL import Image

from mggtalk.errors import OptionError
from mggtalk.media import MARK, Sound, VideoWriter, load_image, mark_frame, open_video, read_mark, save_image, verify
from mggtalk.media.badge import STATEMENT, check_statement, draw_badge
from mggtalk.media.watermark import THRESHOLD, _features, _sample, _score, _signs, detect, embed


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * math.log10(255**2 / float(((a.astype(np.float64) - b) ** 2).mean()))


def moving(picture: np.ndarray, count: int, side: int) -> list[np.ndarray]:
    """A slow zoom into a picture."""
    whole = Image.fromarray(picture)
    return [np.asarray(whole.resize((side, side), box=(t, t, 512 - 2 * t, 512 - 2 * t))) for t in range(count)]


def attacked(frame: np.ndarray, scale: float = 1.0, quality: int = 95) -> np.ndarray:
    """Scaled, then saved as JPEG."""
    stream = io.BytesIO()
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.fixture(scope="module")
def marked(astronaut) -> np.ndarray:
    return embed(astronaut)


def test_watermark_is_invisible_and_leaves_the_frame_alone(astronaut, marked):
    assert marked.shape == astronaut.shape and marked.dtype == np.uint8
    assert not np.shares_memory(marked, astronaut)
    assert psnr(marked, astronaut) > 42
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    stripes = np.ascontiguousarray(np.broadcast_to(np.arange(512)[:, None, None] // 4 % 2 * 90 + 80, (512, 512, 3)))
    for hard in (noise, stripes.astype(np.uint8)):
        assert psnr(embed(hard), hard) > 42
    flat = np.full((256, 256, 3), 128, np.uint8)
    assert np.abs(embed(flat).astype(int) - flat).max() <= 2  # where it would be seen first
    assert np.array_equal(embed(astronaut), marked)


@pytest.mark.parametrize("shape", [(512, 512), (256, 256), (96, 96), (97, 161), (360, 640), (640, 360), (256, 768)])
def test_found_at_every_size_and_not_without(astronaut, shape):
    frame = np.asarray(Image.fromarray(astronaut).resize(shape[::-1]))
    assert not detect([frame]).found
    assert detect([embed(frame)]).score > 8


@pytest.mark.parametrize("scale", [0.5, 0.67, 0.9, 1.25, 1.5])
def test_found_after_scaling_and_jpeg(marked, scale):
    assert detect([attacked(marked, scale, 60)]).score > 7


def test_found_after_common_changes(marked):
    changes = {
        "mirrored": marked[:, ::-1],
        "brighter": np.clip(marked * 1.1 + 10, 0, 255).astype(np.uint8),
        "grey": np.asarray(Image.fromarray(marked).convert("L").convert("RGB")),
        "cut to a wide screen": marked[112:400],
        "cut to an upright screen": marked[:, 112:400],
        "with bars at the sides": np.pad(marked, ((0, 0), (200, 200), (0, 0))),
        "with bars above and below": np.pad(marked, ((128, 128), (0, 0), (0, 0))),
    }
    for what, picture in changes.items():
        assert detect([picture]).score > 6, what


def test_several_frames_are_taken_together(astronaut):
    frames = [attacked(embed(frame), 0.5, 20) for frame in moving(astronaut, 12, 256)]
    single = [detect([frame]).score for frame in frames]
    assert detect(frames).score > np.mean(single)
    assert not detect(moving(astronaut, 12, 256)).found
    assert detect([]).score == 0.0 and not detect([np.zeros((64, 64, 3), np.uint8)]).found


def test_other_keys_find_nothing(astronaut, marked):
    """The promise of the threshold: for a wrong key the score is about normal, on any picture."""
    keys = np.random.default_rng(0).choice([-1.0, 1.0], (20000, *_signs().shape))
    for picture in (astronaut, marked):
        phases = np.sin(2 * np.pi / 17.0 * _features(_sample(picture)))
        scores = (keys * phases).sum(axis=(1, 2, 3)) / np.sqrt((phases**2).sum())
        assert abs(scores.mean()) < 0.05 and abs(scores.std() - 1) < 0.05
        assert (scores >= THRESHOLD).mean() < 3e-4 and (scores >= 3).mean() < 3e-3
    assert 6 * math.exp(-(THRESHOLD**2) / 2) < 1e-3
    assert _score(np.zeros((2, 16, 16))) == (0.0, 0.0)


def test_survives_h264_at_crf_28_and_half_size(tmp_path, astronaut, make):
    with VideoWriter(tmp_path / "a.mp4", 512, 512, 25) as writer:
        for frame in moving(astronaut, 25, 512):
            writer.write(frame)
    half = make(
        "b.mp4", "-i", str(tmp_path / "a.mp4"), "-vf", "scale=256:256", "-crf", "28", "-map_metadata", "-1", "-an"
    )
    found = verify(half)
    assert found.mark is None and found.watermark is not None
    assert found.watermark.score > 6 and found.found
    assert verify(tmp_path / "a.mp4").mark == MARK


def test_badge_is_in_the_corner_and_can_be_read(astronaut):
    for side, least in ((512, 24), (256, 14), (128, 14)):
        frame = np.asarray(Image.fromarray(astronaut).resize((side, side)))
        kept = frame.copy()
        badge = draw_badge(frame)
        assert np.array_equal(frame, kept)
        rows, columns = np.nonzero((badge != frame).any(axis=2))
        assert columns.min() > 0.4 * side and rows.max() < 0.2 * side
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height >= least and width * height < 0.1 * side**2
        for ground in (0, 128, 255):  # the letters stand out on any ground
            inside = draw_badge(np.full((side, side, 3), ground, np.uint8))[rows.min() : rows.max(), columns.min() :]
            assert np.percentile(inside, 98) - np.percentile(inside, 20) > 100
    tiny = np.zeros((32, 32, 3), np.uint8)
    assert np.array_equal(draw_badge(tiny), tiny)


def test_badge_goes_only_with_the_statement(tmp_path):
    assert check_statement(None) is None
    assert check_statement(f"  {STATEMENT.upper()}.\n") == STATEMENT
    for other in ("", "no", STATEMENT[:-5], "I declare that this is AI-made"):
        with pytest.raises(OptionError, match="To leave it out, say"):
            check_statement(other)
        with pytest.raises(OptionError):
            VideoWriter(tmp_path / "a.mp4", 64, 64, 25, no_badge=other)
        with pytest.raises(OptionError):
            save_image(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8), no_badge=other)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_stills_have_badge_and_watermark(tmp_path, astronaut, name):
    save_image(tmp_path / name, astronaut)
    back = load_image(tmp_path / name)
    assert verify(tmp_path / name).watermark.score > 8 and read_mark(tmp_path / name) == MARK
    assert np.abs(back.astype(int) - mark_frame(astronaut)).mean() < 3
    save_image(tmp_path / name, astronaut, no_badge=STATEMENT)
    assert psnr(load_image(tmp_path / name), astronaut) > 34
    assert verify(tmp_path / name).watermark.found and STATEMENT in read_mark(tmp_path / name)


def test_videos_have_badge_and_watermark_and_given_frames_stay(tmp_path, astronaut):
    frames = moving(astronaut, 5, 256)
    kept = [frame.copy() for frame in frames]
    for options in ({}, {"no_badge": STATEMENT}, {"no_badge": STATEMENT, "watermark": False}):
        with VideoWriter(tmp_path / "a.mp4", 256, 256, 25, **options) as writer:
            for frame in frames:
                writer.write(frame)
        back = next(iter(open_video(tmp_path / "a.mp4")))
        badge = (draw_badge(frames[0]) != frames[0]).any(axis=2)
        assert (np.abs(back.astype(int) - frames[0])[badge].mean() > 30) == (not options)
        found = verify(tmp_path / "a.mp4")
        assert found.watermark.found == ("watermark" not in options)
        assert (STATEMENT in found.mark) == bool(options)
    assert all(np.array_equal(a, b) for a, b in zip(frames, kept))


def test_a_recording_has_no_watermark(tmp_path):
    soundfile.write(tmp_path / "a.wav", Sound(np.zeros(1600, np.float32), 16000).samples, 16000)
    found = verify(tmp_path / "a.wav")
    assert found == (None, None, None) and not found.found
