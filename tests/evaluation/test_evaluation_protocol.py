"""The protocol on a video of a moving disc, with a tracker that finds it and two ways to reenact it."""

import math

import numpy as np
import pytest
import torch

from mggtalk.errors import MGGTalkError, NoFaceError, OptionError
from mggtalk.evaluation.protocol import centre_square, evaluate, find_clips, score_clip
from mggtalk.evaluation.report import from_json
from mggtalk.media.writer import VideoWriter
from mggtalk.scene import Motion

RADIUS = 0.18  # of the disc, over the side of the picture
FRAMES, SIDE = 13, 128


def disc(x, y, size):
    """A bright disc centred at a fraction of the picture's side, on a dark ground with a faint grid."""
    axis = (np.arange(size) + 0.5) / size
    inside = (axis[None] - x) ** 2 + (axis[:, None] - y) ** 2 < RADIUS**2  # [size, size]
    ground = 30 + 10 * ((axis[None] * 8).astype(int) % 2)
    return np.repeat(np.where(inside, 220, ground)[..., None], 3, axis=-1).astype(np.uint8)


def place(index):
    return 0.4 + 0.015 * index, 0.5


class DiscPipe:
    """Finds a bright disc, and draws it where the motion says."""

    def __init__(self):
        generator = np.random.default_rng(0)
        angle, radius = generator.uniform(0, 2 * np.pi, 478), RADIUS * np.sqrt(generator.uniform(0, 1, 478))
        self.template = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=-1)  # [478, 3]

    def prepare(self, portrait, crop):
        assert crop == "none" and portrait.shape[0] == portrait.shape[1]
        return portrait

    def track_frames(self, frames, fps):
        centres, side = [], 1
        for frame in frames:
            bright = np.argwhere(frame.mean(-1) > 128)
            side = frame.shape[0]
            if len(bright):
                centres.append((bright.mean(0)[::-1] + 0.5) / side)
        if not centres:
            raise NoFaceError("No disc is to be seen.", "Use another video.")
        centre = np.pad(np.array(centres), ((0, 0), (0, 1)))  # [T, 3]
        translation = torch.tensor(centre, dtype=torch.float32)
        return Motion(
            expression=translation[:, :2],
            rotation=torch.eye(3).expand(len(centre), 3, 3),
            translation=translation,
            fps=fps,
            face_model="disc",
            focal_ratio=1.0,
            landmarks=torch.tensor((centre[:, None] + self.template) * side, dtype=torch.float32),
        )

    def animate(self, avatar, motion, size, pose):
        assert pose == "absolute"
        for frame in motion:
            yield disc(float(frame.translation[0]), float(frame.translation[1]), size)


class StillPipe(DiscPipe):
    """Shows the portrait, whatever the motion is."""

    def animate(self, avatar, motion, size, pose):
        from mggtalk.evaluation.protocol import resized

        for _ in motion:
            yield resized(avatar, size)


class BlackPipe(DiscPipe):
    """Shows nothing."""

    def animate(self, avatar, motion, size, pose):
        for _ in motion:
            yield np.zeros((size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with a wide video of the disc, an empty one, and a table."""
    folder = tmp_path_factory.mktemp("clips")
    with VideoWriter(folder / "disc.mp4", SIDE + 32, SIDE, 25.0) as writer:
        for index in range(FRAMES):
            writer.write(np.pad(disc(*place(index), SIDE), ((0, 0), (16, 16), (0, 0))))
    with VideoWriter(folder / "empty.mp4", SIDE, SIDE, 25.0) as writer:
        for _ in range(3):
            writer.write(np.zeros((SIDE, SIDE, 3), np.uint8))
    (folder / "clips.csv").write_text("clip,split\ndisc.mp4,val\nempty.mp4,train\n", encoding="utf-8")
    return folder


def test_still_pipe_equals_the_baseline(clips):
    score, sheet = score_clip(StillPipe(), clips / "disc.mp4", size=64)
    assert score.frames == FRAMES - 1
    assert score.hard_frames > 0
    assert len(sheet) == 8 and sheet[0][0].shape == (64, 64, 3)
    generated, still = score.generated, score.still
    assert generated.psnr == pytest.approx(still.psnr)
    assert generated.psnr_mouth_hard == pytest.approx(still.psnr_mouth_hard)
    assert generated.lmd_uncentred == pytest.approx(still.lmd_uncentred, abs=0.7)
    # the disc moves 1.5 % of the side per frame, the mean frame is 6.5 frames away, in pixels at 256
    assert still.lmd_uncentred == pytest.approx(0.015 * 6.5 * 256, abs=0.7)
    assert still.lmd == pytest.approx(0.0, abs=1e-3)
    assert still.apd == 0.0


def test_following_the_motion_beats_the_still_portrait(clips):
    score, _ = score_clip(DiscPipe(), clips / "disc.mp4", size=64)
    assert score.generated.psnr > score.still.psnr + 5
    assert score.generated.psnr_face > score.still.psnr_face + 5
    assert score.generated.ssim > score.still.ssim
    assert score.generated.lmd_uncentred < 1.0
    assert score.generated.aed < 0.2 * score.still.aed
    assert score.generated.psnr_wrapped > score.generated.psnr - 1e-6


def test_stride(clips):
    score, sheet = score_clip(DiscPipe(), clips / "disc.mp4", every=4, size=64)
    assert score.frames == 3 == len(sheet)
    assert score.still.lmd_uncentred == pytest.approx(0.015 * 8 * 256, abs=0.7)
    assert score.generated.lmd_uncentred < 1.0
    with pytest.raises(MGGTalkError, match="too few"):
        score_clip(DiscPipe(), clips / "disc.mp4", every=100)


def test_pictures_are_measured_even_when_no_face_can_be_found(clips):
    score, _ = score_clip(BlackPipe(), clips / "disc.mp4", size=64)
    assert score.generated.psnr < score.still.psnr
    assert math.isnan(score.generated.lmd) and math.isnan(score.generated.jitter)
    assert score.still.lmd_uncentred > 0


def test_evaluate_writes_a_report_and_names_what_it_left_out(clips, tmp_path):
    steps = []
    result = evaluate(DiscPipe(), clips, out=tmp_path, size=64, on_progress=lambda *step: steps.append(step))
    assert [clip.clip for clip in result.clips] == ["disc.mp4"]
    assert "No disc" in result.skipped["empty.mp4"]
    assert steps == [("evaluate", 0, 2), ("evaluate", 1, 2), ("evaluate", 2, 2)]
    assert from_json((tmp_path / "evaluation.json").read_text(encoding="utf-8")) == result
    assert (tmp_path / "evaluation.md").exists() and (tmp_path / "sheets" / "disc.png").exists()


def test_table_chooses_the_clips(clips):
    assert [path.name for path in find_clips(clips, clips / "clips.csv", "train")] == ["empty.mp4"]
    assert [path.name for path in find_clips(clips)] == ["disc.mp4", "empty.mp4"]
    with pytest.raises(MGGTalkError, match="None of 1 clips"):
        evaluate(DiscPipe(), clips, clips / "clips.csv", split="train")


def test_bad_options_are_refused(clips, tmp_path):
    with pytest.raises(OptionError, match="does not exist"):
        evaluate(DiscPipe(), tmp_path / "missing")
    with pytest.raises(OptionError, match="has no videos"):
        evaluate(DiscPipe(), tmp_path)
    with pytest.raises(OptionError, match="stride"):
        evaluate(DiscPipe(), clips, every=0)
    with pytest.raises(OptionError, match="no clip of the split"):
        evaluate(DiscPipe(), clips, clips / "clips.csv", split="test")
    with pytest.raises(OptionError, match=r"missing\.csv"):
        evaluate(DiscPipe(), clips, clips / "missing.csv")
    (tmp_path / "bad.csv").write_text("name\nx\n", encoding="utf-8")
    with pytest.raises(OptionError, match="needs clip and split"):
        evaluate(DiscPipe(), clips, tmp_path / "bad.csv")


def test_centre_square():
    frame = np.arange(4 * 7 * 3).reshape(4, 7, 3)
    assert (centre_square(frame) == frame[:, 1:5]).all()
    assert (centre_square(frame.transpose(1, 0, 2)) == frame.transpose(1, 0, 2)[1:5]).all()
