"""The protocol on a video of a moving disc, with a tracker that finds it and ways to reenact it."""

import math

import numpy as np
import pytest
import torch

from mggtalk.errors import MGGTalkError, OptionError
from mggtalk.evaluation import PRIOR, STILL, TRAINED, Method, from_json
from mggtalk.evaluation.comparison import Perception
from mggtalk.evaluation.fid import InceptionDistance
from mggtalk.evaluation.foreign import FOREIGN, NOBODY, Foreign, Judges, load_judges
from mggtalk.evaluation.frames import FrameStore, centre_square
from mggtalk.evaluation.identity import SFace
from mggtalk.evaluation.protocol import EvaluationConfig, evaluate, score_task
from mggtalk.evaluation.scores import REAL
from mggtalk.evaluation.tasks import Given, choose_photos, head_turn, make_task, turned_and_frontal
from mggtalk.geometry import euler_to_rotation
from mggtalk.media.clips import Clip, find_clips, other_person
from mggtalk.media.writer import VideoWriter
from mggtalk.nets.perceptual import LPIPS
from mggtalk.scene import Motion
from tests.evaluation.colours import Colours
from tests.evaluation.discs import BlackPipe, DiscPipe, StillPipe, TiredPipe, disc, place
from tests.unmarked import UNMARKED

FRAMES, SIDE = 13, 128


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with a wide video of the disc, an empty one, and a table."""
    folder = tmp_path_factory.mktemp("clips")
    with VideoWriter(folder / "disc.mp4", SIDE + 32, SIDE, 25.0, **UNMARKED) as writer:
        for index in range(FRAMES):
            writer.write(np.pad(disc(*place(index), SIDE), ((0, 0), (16, 16), (0, 0))))
    with VideoWriter(folder / "empty.mp4", SIDE, SIDE, 25.0, **UNMARKED) as writer:
        for _ in range(3):
            writer.write(np.zeros((SIDE, SIDE, 3), np.uint8))
    (folder / "clips.csv").write_text("clip,split\ndisc.mp4,val\nempty.mp4,train\n", encoding="utf-8")
    return folder


def score(clips, every=1, lpips=None, judges=NOBODY, **pipes):
    """Score the disc video with some pipes, by name."""
    methods = {name: Method(pipe) for name, pipe in pipes.items()}
    clip = Clip(clips / "disc.mp4", "disc", None)
    task = make_task(next(iter(pipes.values())), clip, clip, "self", every, 64)
    return score_task(task, methods, 64, lpips, judges)


def test_a_method_that_stands_still_equals_the_still_portrait(clips):
    result, _ = score(clips, prior=StillPipe())
    assert result.frames == FRAMES - 1
    made, still = result.scores[PRIOR], result.scores[STILL]
    assert made.psnr == pytest.approx(still.psnr)
    assert made.psnr_mouth_hard == pytest.approx(still.psnr_mouth_hard)
    assert made.lmd_uncentred == pytest.approx(still.lmd_uncentred, abs=0.7)
    # the disc moves 1.5 % of the side per frame, the mean frame is 6.5 frames away, in pixels at 256
    assert still.lmd_uncentred == pytest.approx(0.015 * 6.5 * 256, abs=0.7)
    assert still.lmd == pytest.approx(0.0, abs=1e-3)
    assert still.apd == 0.0


def test_following_the_motion_beats_the_still_portrait(clips):
    result, _ = score(clips, prior=DiscPipe())
    made, still = result.scores[PRIOR], result.scores[STILL]
    assert made.psnr > still.psnr + 5
    assert made.psnr_face > still.psnr_face + 5
    assert made.ssim > still.ssim
    assert made.lmd_uncentred < 1.0
    assert made.aed < 0.2 * still.aed
    assert made.psnr_wrapped > made.psnr - 1e-6


def test_the_prior_alone_decides_which_frames_are_hard(clips):
    bad_prior, _ = score(clips, prior=TiredPipe(), trained=DiscPipe())
    assert bad_prior.hard_frames == 7
    prior, trained = bad_prior.scores[PRIOR], bad_prior.scores[TRAINED]
    assert prior.psnr_mouth_hard < 19 < prior.psnr_mouth_easy
    assert trained.psnr_mouth_hard > prior.psnr_mouth_hard + 3
    for scores in (prior, trained):
        pooled = bad_prior.hard_frames * scores.psnr_mouth_hard
        pooled += (bad_prior.frames - bad_prior.hard_frames) * scores.psnr_mouth_easy
        assert pooled / bad_prior.frames == pytest.approx(scores.psnr_mouth)
    good_prior, _ = score(clips, prior=DiscPipe(), trained=StillPipe())
    assert good_prior.hard_frames == 0 and math.isnan(good_prior.scores[TRAINED].psnr_mouth_hard)
    nobody, _ = score(clips, trained=StillPipe())
    assert math.isnan(nobody.scores[TRAINED].psnr_mouth_hard) and math.isnan(nobody.scores[TRAINED].psnr_mouth_easy)


def test_perceptual_distances_see_the_difference(clips):
    result, _ = score(
        clips, every=3, lpips=Perception(LPIPS("alex"), LPIPS("vgg")), prior=StillPipe(), trained=DiscPipe()
    )
    prior, trained = result.scores[PRIOR], result.scores[TRAINED]
    for name in ("lpips", "lpips_face", "lpips_mouth", "lpips_vgg", "lpips_vgg_face", "lpips_vgg_mouth"):
        assert getattr(prior, name) > 2 * getattr(trained, name) > 0
    assert list(result.regions) == [PRIOR, TRAINED]
    background = (result.regions[name]["background"] for name in (PRIOR, TRAINED))
    assert next(background).lpips > 2 * next(background).lpips > 0
    areas = [region.area for region in result.regions[PRIOR].values()]
    assert sum(areas) == pytest.approx(1.0)
    # the frame's distance is the mean of its regions' distances, by their areas
    parts = [region.area * region.lpips_vgg for region in result.regions[PRIOR].values() if region.area > 0]
    assert sum(parts) == pytest.approx(prior.lpips_vgg, rel=0.02)
    assert math.isnan(result.scores[STILL].lpips)


def test_foreign_networks_judge_methods_and_the_real_frames(clips):
    judges = Judges(SFace(), InceptionDistance(Colours()))
    result, _ = score(clips, every=3, judges=judges, prior=StillPipe(), trained=DiscPipe(), black=BlackPipe())
    seen = {name: scores.csim_sface for name, scores in result.scores.items()}
    assert list(seen) == [STILL, PRIOR, TRAINED, "black", REAL]
    assert seen[STILL] == pytest.approx(1.0) and seen[PRIOR] == pytest.approx(1.0, abs=1e-3)
    assert seen[TRAINED] == pytest.approx(seen[REAL], abs=1e-2)
    assert math.isnan(seen["black"])  # no face
    distances = judges.fid.distances()
    assert list(distances) == [STILL, PRIOR, TRAINED, "black"]
    assert distances["black"] > 100 * distances[TRAINED] >= 0


def test_too_few_frames_for_fid_are_counted(clips, monkeypatch):
    monkeypatch.setitem(FOREIGN, "fid", Foreign("FID", "Colours", Colours))
    few = evaluate({PRIOR: Method(DiscPipe())}, clips, config=EvaluationConfig(every=6, size=64, foreign=("fid",)))
    assert few.not_computed["FID"].startswith("not computed: 2 frames are too few")
    assert not few.fid
    enough = evaluate({PRIOR: Method(DiscPipe())}, clips, config=EvaluationConfig(every=3, size=64, foreign=("fid",)))
    assert "FID" not in enough.not_computed and enough.mean.scores[PRIOR].fid == enough.fid[PRIOR] >= 0.0


def test_foreign_networks_that_cannot_be_had_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MGGTALK_OFFLINE", "1")
    monkeypatch.setenv("MGGTALK_CACHE", str(tmp_path))
    judges, not_computed = load_judges(["fid", "csim"], heard=True)
    assert judges == NOBODY
    assert not_computed["FID"].startswith("not computed: The weights of Inception-v3 (2015-12-05) are not here")
    assert not_computed["CSIM (SFace)"].startswith("not computed: The weights of SFace are not here")
    assert not_computed["LSE-C"] == not_computed["LSE-D"] == "not computed: weights SyncNet (syncnet_v2) missing"
    assert load_judges([], heard=False)[1].keys() == {"FID", "CSIM (SFace)"}
    with pytest.raises(OptionError, match=r"\['lse'\] are not known"):
        load_judges(["csim", "lse"], heard=True)


def test_stride_and_moments(clips):
    result, moments = score(clips, every=4, prior=DiscPipe(), trained=StillPipe())
    assert result.frames == 3
    assert result.scores[STILL].lmd_uncentred == pytest.approx(0.015 * 8 * 256, abs=0.7)
    assert result.scores[PRIOR].lmd_uncentred < 1.0
    # the farther the disc has moved, the worse is the still picture
    assert any(moment.caption.startswith("frame 12: worst mouth of trained") for moment in moments)
    assert all(list(moment.made) == [PRIOR, TRAINED] for moment in moments)
    assert all(moment.driving.shape == moment.made[PRIOR].shape == (64, 64, 3) for moment in moments)
    with pytest.raises(MGGTalkError, match="too few"):
        score(clips, every=100, prior=DiscPipe())


def turning(yaw_degrees, found=None):
    """A motion of a head before the camera, and beside the optical axis, with the given turns."""
    angles = torch.deg2rad(torch.tensor([[5.0, yaw, 3.0] for yaw in yaw_degrees]))
    return Motion(
        expression=torch.zeros(len(angles), 2),
        rotation=euler_to_rotation(angles),
        translation=torch.tensor([0.0, 1.0, 10.0]).expand(len(angles), 3),
        fps=25.0,
        face_model="disc",
        focal_ratio=1.0,
        found=found,
    )


def test_turn_is_seen_from_the_camera():
    motion = turning([0.0, 20.0, -30.0])
    assert head_turn(motion) == pytest.approx([0.0, 20.0, 30.0], abs=1e-3)
    aside = motion.with_(translation=torch.tensor([10.0, 0.0, 10.0]).expand(3, 3))  # at 45 degrees to the right
    assert head_turn(aside) == pytest.approx([45.0, 65.0, 15.0], abs=1e-3)


def test_turned_portrait_makes_frontal_frames():
    yaws = [-2.0 * frame for frame in range(20)]
    portrait, frontal = turned_and_frontal(turning(yaws), "a.mp4")
    assert portrait == 19 and frontal == list(range(8))
    lost = torch.tensor([False, *[True] * 17, False, False])
    assert turned_and_frontal(turning(yaws, lost), "a.mp4") == (17, list(range(1, 9)))
    with pytest.raises(MGGTalkError, match=r"a\.mp4 has no frame.* 0° to 22° are seen"):
        turned_and_frontal(turning(yaws[:12]), "a.mp4")
    with pytest.raises(MGGTalkError, match="30° to 40° are seen"):
        turned_and_frontal(turning([30.0, 40.0]), "a.mp4")


def test_turned_protocol_takes_its_portrait_from_the_clip(clips, tmp_path):
    class Turning(DiscPipe):
        def track_frames(self, frames, fps):
            motion = super().track_frames(frames, fps)
            yaw = (motion.translation[:, 0] - 0.4) / 0.015 * math.radians(3.0)  # three degrees more in each frame
            angles = torch.stack([0 * yaw, yaw, 0 * yaw], dim=-1)
            ahead = torch.tensor([0.0, 0.0, 1.0]).expand(len(yaw), 3)
            return motion.with_(
                rotation=euler_to_rotation(angles), translation=motion.translation * (1 - ahead) + ahead
            )

    pipe = Turning()
    clip = Clip(clips / "disc.mp4", "disc", None)
    task = make_task(pipe, clip, clip, "self", 1, 64, most=3, given=Given("turned"))
    assert task.source == FRAMES - 1 and len(task.frames) == 3 and max(task.frames) < 8
    assert np.abs(task.portrait.astype(int) - disc(*place(FRAMES - 1), SIDE)).mean() < 5
    assert np.abs(task.real[1].astype(int) - disc(*place(task.frames[1]), 64)).mean() < 10
    assert len(task.reference) == len(task.still) == 3
    score, _ = score_task(task, {PRIOR: Method(pipe)}, 64, stride=1)
    assert score.scores[PRIOR].psnr > score.scores[STILL].psnr + 5
    whole = evaluate(
        {PRIOR: Method(pipe)}, clips, out=tmp_path, config=EvaluationConfig(size=64, most=2, portrait_frame="turned")
    )
    assert whole.portrait_frame == "turned" and whole.mean.frames == 2
    assert "most turned frame" in (tmp_path / "evaluation.md").read_text(encoding="utf-8")


def test_most_frames_are_spread_over_the_clip(clips):
    clip = Clip(clips / "disc.mp4", "disc", None)
    assert make_task(DiscPipe(), clip, clip, "self", 1, 64, most=3).frames == [3, 7, 11]
    assert make_task(DiscPipe(), clip, clip, "self", 5, 64, most=9).frames == [5, 10]


def test_pictures_are_measured_even_when_no_face_can_be_found(clips):
    result, _ = score(clips, prior=BlackPipe())
    made, still = result.scores[PRIOR], result.scores[STILL]
    assert made.psnr < still.psnr
    assert math.isnan(made.lmd) and math.isnan(made.jitter)
    assert still.lmd_uncentred > 0


def test_evaluate_writes_a_report_and_names_what_it_left_out(clips, tmp_path):
    steps = []
    result = evaluate(
        {PRIOR: Method(DiscPipe())},
        clips,
        out=tmp_path,
        config=EvaluationConfig(every=3, size=64),
        on_progress=lambda *step: steps.append(step),
    )
    assert [clip.clip for clip in result.clips] == ["disc.mp4"]
    assert "No disc" in result.skipped["empty.mp4"]
    assert result.not_computed.keys() == {"FID", "CSIM (SFace)"}
    assert all(why.startswith("not computed: weights") for why in result.not_computed.values())
    assert not result.fid and math.isnan(result.mean.scores[STILL].csim_sface)
    assert steps == [("evaluate", 0, 2), ("evaluate", 1, 2), ("evaluate", 2, 2)]
    assert str(from_json((tmp_path / "evaluation.json").read_text(encoding="utf-8"))) == str(result)
    assert (tmp_path / "evaluation.md").exists() and (tmp_path / "sheets" / "disc.png").exists()


def test_missing_perceptual_weights_are_named_not_zero(clips, monkeypatch):
    monkeypatch.setattr("mggtalk.nets.perceptual.PACKAGE", "no_such_package_of_weights")
    result = evaluate({PRIOR: Method(DiscPipe())}, clips, config=EvaluationConfig(every=6, size=64))
    assert result.not_computed["LPIPS"].startswith("not computed: The perceptual weights alex")
    assert math.isnan(result.mean.scores[PRIOR].lpips)


def test_cross_reenactment_measures_motion_and_no_pictures(clips, tmp_path):
    for name, radius in (("a.mp4", 3), ("b.mp4", 6)):
        with VideoWriter(tmp_path / name, SIDE, SIDE, 25.0, **UNMARKED) as writer:
            for index in range(7):
                writer.write(disc(place(index)[0], 0.5 + radius / 100, SIDE))

    class Follower(DiscPipe):
        def prepare(self, portrait, crop):
            return self.track_frames([portrait], 25.0).with_(landmarks=None)

        def animate(self, avatar, motion, size, pose):
            assert motion.landmarks is None  # they are of another person
            return super().animate(avatar, motion, size, pose)

    result = evaluate({PRIOR: Method(Follower())}, tmp_path, config=EvaluationConfig(every=2, size=64, mode="cross"))
    made = result.mean.scores[PRIOR]
    assert [clip.clip for clip in result.clips] == ["a.mp4", "b.mp4"]
    assert math.isnan(made.psnr) and math.isnan(made.lmd) and math.isnan(made.lpips)
    assert list(result.mean.scores) == [STILL, PRIOR]
    assert made.aed < result.mean.scores[STILL].aed


def test_table_chooses_the_clips(clips, tmp_path):
    assert [clip.path.name for clip in find_clips(clips, clips / "clips.csv", "train")] == ["empty.mp4"]
    assert [clip.path.name for clip in find_clips(clips)] == ["disc.mp4", "empty.mp4"]
    with pytest.raises(MGGTalkError, match="None of 1 clips"):
        evaluate({PRIOR: Method(DiscPipe())}, clips, clips / "clips.csv", config=EvaluationConfig(split="train"))
    table = tmp_path / "people.csv"
    table.write_text(
        "clip,split,identity_cluster,speech_fraction\na.mp4,val,1,0.9\nb.mp4,val,1,\nc.mp4,val,2,0.1\n",
        encoding="utf-8",
    )
    people = find_clips(tmp_path, table)
    assert [clip.speech for clip in people] == [0.9, 0.0, 0.1]
    assert [other_person(people, index).path.name for index in range(3)] == ["c.mp4", "c.mp4", "a.mp4"]
    with pytest.raises(OptionError, match="two people"):
        other_person(people[:2], 0)


def test_clips_without_speech_are_left_out_of_speech_modes(tmp_path):
    clip = Clip(tmp_path / "silent.mp4", "1", 0.1)
    with pytest.raises(MGGTalkError, match=r"silent\.mp4 is 0\.1"):
        make_task(DiscPipe(), clip, clip, "audio", 1, 64)


def test_bad_options_are_refused(clips, tmp_path):
    methods = {PRIOR: Method(DiscPipe())}
    with pytest.raises(OptionError, match="does not exist"):
        evaluate(methods, tmp_path / "missing")
    with pytest.raises(OptionError, match="has no videos"):
        evaluate(methods, tmp_path)
    with pytest.raises(OptionError, match="stride"):
        evaluate(methods, clips, config=EvaluationConfig(every=0))
    with pytest.raises(OptionError, match="mode"):
        evaluate(methods, clips, config=EvaluationConfig(mode="sideways"))
    with pytest.raises(OptionError, match="number of frames is 0"):
        evaluate(methods, clips, config=EvaluationConfig(most=0))
    with pytest.raises(OptionError, match="'last'"):
        evaluate(methods, clips, config=EvaluationConfig(portrait_frame="last"))
    with pytest.raises(OptionError, match="Use the mode 'self'"):
        evaluate(methods, clips, config=EvaluationConfig(mode="cross", portrait_frame="turned"))
    with pytest.raises(OptionError, match="no clip of the split"):
        evaluate(methods, clips, clips / "clips.csv", config=EvaluationConfig(split="test"))
    assert len(find_clips(clips, clips / "clips.csv", "train,val")) == 2
    with pytest.raises(OptionError, match=r"missing\.csv"):
        evaluate(methods, clips, clips / "missing.csv")
    (tmp_path / "bad.csv").write_text("name\nx\n", encoding="utf-8")
    with pytest.raises(OptionError, match="needs clip and split"):
        evaluate(methods, clips, tmp_path / "bad.csv")


def test_centre_square():
    frame = np.arange(4 * 7 * 3).reshape(4, 7, 3)
    assert (centre_square(frame) == frame[:, 1:5]).all()
    assert (centre_square(frame.transpose(1, 0, 2)) == frame.transpose(1, 0, 2)[1:5]).all()


def test_frame_store_gives_back_what_it_took():
    frames = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    store = FrameStore(iter(frames), 3, 8)
    assert len(store) == 3
    assert (store[2] == frames[2]).all() and (np.stack(list(store)) == frames[:3]).all()
    with pytest.raises(IndexError):
        store[3]
    with pytest.raises(ValueError, match="expected"):
        FrameStore(iter(frames), 3, 9)


def test_photos_are_of_the_first_half_and_frames_of_the_second(clips, tmp_path):
    class AlbumPipe(DiscPipe):
        counts = []

        def prepare(self, portrait, crop):
            self.counts.append(len(portrait) if isinstance(portrait, list) else 1)
            return super().prepare(portrait[0] if isinstance(portrait, list) else portrait, crop)

    pipe = AlbumPipe()
    clip = Clip(clips / "disc.mp4", "disc", None)
    task = make_task(pipe, clip, clip, "self", 1, 64, given=Given(photos=3))
    assert task.frames == list(range(FRAMES // 2, FRAMES)) and task.source == 0 and len(task.photos) == 3
    for photo, frame in zip(task.photos, choose_photos(pipe.track_frames(iter_discs(), 25.0), 3)):
        assert np.abs(photo.astype(int) - disc(*place(frame), SIDE)).mean() < 5
    methods = {PRIOR: Method(pipe), "3 photos": Method(pipe, photos=3)}
    evaluation = evaluate(methods, clips, out=tmp_path, config=EvaluationConfig(size=64, most=2, photos=3))
    assert pipe.counts == [1, 3] and evaluation.photos == 3
    assert from_json((tmp_path / "evaluation.json").read_text(encoding="utf-8")).photos == 3
    assert "first half" in (tmp_path / "evaluation.md").read_text(encoding="utf-8")


def iter_discs():
    return (disc(*place(index), SIDE) for index in range(FRAMES))


def test_further_photos_stand_for_what_was_tracked():
    expression = torch.zeros(20, 4)
    expression[3:6] = 2.0  # three frames smile, one shouts
    expression[8] = -1.5
    pose = torch.eye(3).expand(20, 3, 3), torch.zeros(20, 3)
    motion = Motion(expression, *pose, fps=25.0, face_model="any", focal_ratio=1.0)
    first, second, third = choose_photos(motion, 3)
    assert first == 0 and second in (3, 4, 5) and third == 8
    with pytest.raises(MGGTalkError, match="20 frames"):
        choose_photos(motion, 11)


@pytest.mark.parametrize("config", [{"photos": 0}, {"photos": 9}, {"photos": 3, "mode": "cross"}])
def test_photos_that_make_no_sense_are_refused(clips, config):
    with pytest.raises(OptionError, match="photos"):
        evaluate({PRIOR: Method(DiscPipe())}, clips, config=EvaluationConfig(**config))
