"""Reports: what is written can be read again, tables say what was measured."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from mggtalk.errors import OptionError
from mggtalk.evaluation.report import (
    clip_table,
    comparison_table,
    contact_sheet,
    from_json,
    markdown,
    save_contact_sheet,
    to_json,
    write_report,
)
from mggtalk.evaluation.scores import ClipScore, Evaluation, Scores


def scores(start, **changes):
    values = {column.name: start + index for index, column in enumerate(fields(Scores))}
    return Scores(**(values | changes))


def evaluation():
    clips = (
        ClipScore("a.mp4", 10, 2, scores(20.0), scores(10.0)),
        ClipScore(
            "b.mp4", 30, 0, scores(30.0, psnr_mouth_hard=math.nan, lmd=math.nan), scores(12.0, psnr_mouth_hard=math.nan)
        ),
    )
    return Evaluation(256, 5, clips, {"c.mp4": "No face was found."})


def test_json_round_trip_keeps_missing_scores():
    text = to_json(evaluation())
    assert "NaN" not in text
    again = from_json(text)
    assert to_json(again) == text
    assert again.clips[0] == evaluation().clips[0]
    assert math.isnan(again.clips[1].generated.psnr_mouth_hard)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"clips": [{}], "size": 1, "every": 1, "skipped": {}}'])
def test_broken_json_is_refused(text):
    with pytest.raises(OptionError, match="not a saved evaluation"):
        from_json(text)


def test_mean_weighs_clips_alike_and_leaves_missing_scores_out():
    mean = evaluation().mean
    assert mean.generated.psnr == 25.0
    assert mean.still.psnr == 11.0
    assert mean.generated.psnr_mouth_hard == evaluation().clips[0].generated.psnr_mouth_hard
    assert (mean.frames, mean.hard_frames) == (40, 2)


def test_tables_show_still_and_method():
    table = clip_table(evaluation(), "prior")
    assert "still portrait → prior" in table
    assert "| a.mp4 | 10 | 10.00 → 20.00 |" in table
    assert "| mean | 40 | 11.00 → 25.00 |" in table
    better = replace(evaluation(), clips=tuple(replace(c, generated=scores(40.0)) for c in evaluation().clips))
    table = comparison_table({"prior": evaluation(), "trained": better})
    rows = [line for line in table.splitlines() if line.startswith(("| still portrait | 11.00", "| prior | 25.00"))]
    assert len(rows) == 2
    assert "| trained | 40.00" in table
    with pytest.raises(OptionError, match="same frames"):
        comparison_table({"prior": evaluation(), "other": replace(evaluation(), clips=evaluation().clips[:1])})


def test_report_is_written(tmp_path):
    write_report(evaluation(), tmp_path / "new" / "folder", "prior")
    folder = tmp_path / "new" / "folder"
    assert from_json((folder / "evaluation.json").read_text(encoding="utf-8")).mean.generated.psnr == 25.0
    text = (folder / "evaluation.md").read_text(encoding="utf-8")
    assert text == markdown(evaluation(), "prior")
    assert "c.mp4: No face was found." in text and "one frame in 5" in text
    assert "→ –" in text  # a score that could not be measured


def test_contact_sheet(tmp_path):
    real, made = np.full((4, 4, 3), 10, np.uint8), np.full((4, 4, 3), 30, np.uint8)
    sheet = contact_sheet([(real, made), (made, made)])
    assert sheet.shape == (12, 8, 3)
    assert sheet[0, 0, 0] == 10 and sheet[4, 0, 0] == 30 and sheet[8, 0, 0] == 20 and sheet[8, 4, 0] == 0
    save_contact_sheet([(real, made)], tmp_path / "sheets" / "a.png")
    assert Image.open(tmp_path / "sheets" / "a.png").size == (4, 12)
