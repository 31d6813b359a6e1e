"""Reports: what is written can be read again, tables say what was measured."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from mggtalk.errors import OptionError
from mggtalk.evaluation.regions import REGIONS, RegionScore
from mggtalk.evaluation.report import (
    clip_table,
    from_json,
    markdown,
    mean_table,
    region_table,
    to_json,
    verdict,
    write_report,
)
from mggtalk.evaluation.scores import PRIOR, REAL, STILL, TRAINED, ClipScore, Evaluation, Scores
from mggtalk.evaluation.sheets import TITLE, Moment, contact_sheet, save_sheet


def scores(start, **changes):
    values = {column.name: start + index for index, column in enumerate(fields(Scores))}
    return Scores(**(values | changes))


def clip(name, frames, hard, prior, trained):
    return ClipScore(name, frames, hard, {STILL: Scores(psnr=10.0), PRIOR: prior, TRAINED: trained})


def evaluation():
    """A clip that improves and one that gets worse."""
    clips = (
        clip("a.mp4", 10, 9, scores(20.0, lpips_face=0.2, psnr_mouth_hard=16.0), scores(22.0, lpips_face=0.1)),
        clip(
            "b.mp4",
            30,
            1,
            scores(30.0, lpips_face=0.2, psnr_mouth_hard=11.0, lmd=math.nan),
            scores(30.0, lpips_face=0.22, lmd=math.nan),
        ),
    )
    return Evaluation("self", 256, 5, clips, {"c.mp4": "No face was found."}, {"FID": "not computed: weights missing"})


def test_json_round_trip_keeps_missing_scores():
    text = to_json(evaluation())
    assert "NaN" not in text
    again = from_json(text)
    assert to_json(again) == text
    assert again.methods == (STILL, PRIOR, TRAINED)
    assert math.isnan(again.clips[1].scores[PRIOR].lmd) and again.not_computed == evaluation().not_computed


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"clips": [{}], "size": 1, "every": 1, "skipped": {}}'])
def test_broken_json_is_refused(text):
    with pytest.raises(OptionError, match="not a saved evaluation"):
        from_json(text)


def test_mean_weighs_clips_alike_but_pools_hard_frames():
    mean = evaluation().mean
    assert mean.scores[PRIOR].psnr == 25.0
    assert mean.scores[PRIOR].psnr_mouth_hard == pytest.approx((9 * 16 + 1 * 11) / 10)
    assert mean.scores[PRIOR].lmd == evaluation().clips[0].scores[PRIOR].lmd
    assert math.isnan(mean.scores[STILL].ssim)
    assert (mean.frames, mean.hard_frames) == (40, 10)


def test_tables_show_every_method():
    table = clip_table(evaluation())
    assert "Every cell: still portrait / prior / trained." in table
    assert "| a.mp4 | 10 | 9 | 10.00 / 20.00 / 22.00 |" in table and "– / 0.2000 / 0.1000" in table
    rows = mean_table(evaluation()).splitlines()
    assert rows[2].startswith("| still portrait | 10.00 | – |")
    assert rows[3].startswith("| prior | 25.00 | ") and rows[4].startswith("| trained | 26.00 | ")
    assert "8-bit wrapped PSNR (not PSNR)" in rows[0]


def test_columns_that_nobody_has_are_left_out():
    bare = ClipScore("a.mp4", 3, 0, {PRIOR: Scores(aed=0.5)})
    table = mean_table(Evaluation("cross", 256, 1, (bare,)))
    assert table.splitlines()[0] == "|  | AED ↓ |"
    assert "PSNR" not in clip_table(Evaluation("cross", 256, 1, (bare,)))


def test_foreign_metrics_stand_in_the_report_when_they_are_computed():
    whole = replace(evaluation(), fid={STILL: 30.0, PRIOR: 12.345, TRAINED: 10.0}, not_computed={})
    assert mean_table(whole).splitlines()[0].endswith("| CSIM (SFace) ↑ | FID ↓ | 8-bit wrapped PSNR (not PSNR) |")
    assert "| 12.35 |" in mean_table(whole).splitlines()[3]
    assert "CSIM (SFace) ↑" in clip_table(whole) and "FID" not in clip_table(whole)
    assert "FID is between the 40 frames" in markdown(whole) and "that of ArcFace" in markdown(whole)
    assert from_json(to_json(whole)).fid == whole.fid
    scores = {name: replace(entry, csim_sface=math.nan) for name, entry in whole.clips[0].scores.items()}
    without = replace(whole, clips=(replace(whole.clips[0], scores=scores),), fid={})
    assert "FID" not in markdown(without) and "CSIM" not in markdown(without)
    assert from_json(to_json(without)).mean.scores[PRIOR].psnr == 20.0


def test_reports_from_before_these_metrics_can_be_read():
    content = json.loads(to_json(evaluation()))
    del content["fid"], content["clips"][0]["scores"][PRIOR]["csim_sface"]
    again = from_json(json.dumps(content))
    assert again.fid == {} and math.isnan(again.clips[0].scores[PRIOR].csim_sface)
    assert again.clips[0].scores[PRIOR].psnr == 20.0


def test_the_real_frames_have_a_row_of_their_own():
    clips = tuple(replace(c, scores=c.scores | {REAL: Scores(csim_sface=0.9)}) for c in evaluation().clips)
    whole = replace(evaluation(), clips=clips)
    assert mean_table(whole).splitlines()[-1].startswith("| real frames | – |")
    assert "| 0.900 |" in mean_table(whole).splitlines()[-1]
    assert clip_table(whole) == clip_table(evaluation())


def test_regions_stand_in_the_report_and_are_read_again():
    def regions(l1):
        return {name: RegionScore(0.125, l1 + number, 0.1, math.nan) for number, name in enumerate(REGIONS)}

    whole = evaluation()
    first = replace(whole.clips[0], regions={PRIOR: regions(10.0), TRAINED: regions(8.0)}, lip_gap_spread=0.5)
    second = replace(whole.clips[1], regions={PRIOR: regions(20.0), TRAINED: regions(18.0)})
    table = region_table(replace(whole, clips=(first, second)))
    assert table.splitlines()[2] == "| region | area, % | L1 of 255 ↓ | LPIPS ↓ |"
    assert "| mouth | 12.5 | 15.00 / 13.00 | 0.1000 / 0.1000 |" in table and "| background |" in table
    again = from_json(to_json(replace(whole, clips=(first, second))))
    assert region_table(again) == table and again.clips[0].lip_gap_spread == 0.5
    assert region_table(whole) == ""


def test_slopes_are_pooled_by_how_much_lips_move():
    def mouth(name, frames, slope, spread):
        scores = {PRIOR: Scores(lip_width_slope=slope)}
        return ClipScore(name, frames, 0, scores, lip_gap_spread=spread, lip_width_spread=spread)

    clips = (mouth("a.mp4", 10, 1.0, 0.2), mouth("b.mp4", 20, 0.0, 0.1))
    assert Evaluation("self", 256, 1, clips).mean.scores[PRIOR].lip_width_slope == pytest.approx(0.4 / 0.6)


def test_the_worst_clip_comes_first():
    rows = clip_table(evaluation()).splitlines()
    assert [row.split(" | ")[0] for row in rows[4:]] == ["| b.mp4", "| a.mp4", "| mean"]
    assert "in which trained is worst" in rows[0]
    whole = evaluation()
    assert [clip.clip for clip in whole.worst_first(STILL)] == ["a.mp4", "b.mp4"]  # nobody measured: as they came


def test_verdict_states_gains_and_losses():
    text = verdict(evaluation())
    assert "face LPIPS 0.2000 → 0.1600 (-20.0 %)" in text
    assert "clips with a worse face LPIPS: b.mp4" in text
    assert "hard frames ↑ 15.50 → " in text
    alone = replace(evaluation(), clips=tuple(replace(c, scores={PRIOR: c.scores[PRIOR]}) for c in evaluation().clips))
    assert verdict(alone) == ""


def test_report_is_written(tmp_path):
    write_report(evaluation(), tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert from_json((folder / "evaluation.json").read_text(encoding="utf-8")).mean.scores[PRIOR].psnr == 25.0
    text = (folder / "evaluation.md").read_text(encoding="utf-8")
    assert text == markdown(evaluation())
    assert "c.mp4: No face was found." in text and "one frame in 5" in text
    assert "- FID: not computed: weights missing" in text


def test_contact_sheet(tmp_path):
    source, driving, made = (np.full((40, 40, 3), value, np.uint8) for value in (10, 20, 30))
    moments = [
        Moment("frame 1: worst mouth", driving, {PRIOR: made, TRAINED: source}),
        Moment("frame 5: widest mouth", made, {PRIOR: source, TRAINED: driving}),
    ]
    sheet = contact_sheet(source, moments)
    row = 40 + 2 * TITLE
    assert sheet.shape == (2 * row, 160, 3)
    assert sheet[2 * TITLE + 5, 5::40, 0].tolist() == [10, 20, 30, 10]
    assert sheet[row + 2 * TITLE + 5, 5::40, 0].tolist() == [10, 30, 10, 20]
    assert sheet[: 2 * TITLE].min() < 100  # text
    save_sheet(source, moments, tmp_path / "sheets" / "a.png")
    assert Image.open(tmp_path / "sheets" / "a.png").size == (160, 2 * row)
