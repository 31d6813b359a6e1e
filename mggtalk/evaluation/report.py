"""Report of an evaluation: JSON for programs, Markdown tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from mggtalk.errors import OptionError
from mggtalk.evaluation.regions import REGIONS, Region, RegionScore
from mggtalk.evaluation.scores import PRIOR, TRAINED, ClipScore, Evaluation, Scores
from mggtalk.evaluation.speech import AudioVisual, Count, SpeechScore
from mggtalk.evaluation.speech_report import speech_report

COLUMNS: dict[str, tuple[str, int]] = {
    "psnr": ("PSNR ↑", 2),
    "ssim": ("SSIM ↑", 3),
    "lpips": ("LPIPS ↓", 4),
    "lpips_vgg": ("LPIPS (VGG) ↓", 4),
    "psnr_face": ("face PSNR ↑", 2),
    "ssim_face": ("face SSIM ↑", 3),
    "lpips_face": ("face LPIPS ↓", 4),
    "lpips_vgg_face": ("face LPIPS (VGG) ↓", 4),
    "psnr_mouth": ("mouth PSNR ↑", 2),
    "lpips_mouth": ("mouth LPIPS ↓", 4),
    "lpips_vgg_mouth": ("mouth LPIPS (VGG) ↓", 4),
    "psnr_mouth_hard": ("mouth PSNR, hard frames ↑", 2),
    "psnr_mouth_easy": ("mouth PSNR, easy frames ↑", 2),
    "lmd": ("LMD ↓", 2),
    "lmd_uncentred": ("LMD uncentred ↓", 2),
    "lip_gap": ("lip gap error ↓", 2),
    "lip_gap_correlation": ("lip gap correlation ↑", 3),
    "lip_gap_slope": ("lip gap slope → 1", 2),
    "lip_width_slope": ("lip width slope → 1", 2),
    "lip_width_correlation": ("lip width correlation ↑", 3),
    "lip_offset": ("lips late by, frames", 1),
    "aed": ("AED ↓", 3),
    "apd": ("APD ↓", 4),
    "jitter": ("jitter", 3),
    "csim_sface": ("CSIM (SFace) ↑", 3),
    "fid": ("FID ↓", 2),
    "psnr_wrapped": ("8-bit wrapped PSNR (not PSNR)", 2),
}
"""Heading and decimals of every score."""

CLIP_COLUMNS = (
    "psnr", "lpips", "lpips_vgg", "psnr_face", "lpips_face", "lpips_vgg_face", "psnr_mouth", "lpips_mouth", "lmd",
    "lip_gap_slope", "lip_gap_correlation", "lip_width_slope", "lip_width_correlation", "lip_offset", "aed", "apd",
    "csim_sface",
)  # fmt: skip
"""Scores that are given clip by clip: those of the frame beside those of the face."""

REGION_COLUMNS: dict[str, tuple[str, float, int]] = {
    "area": ("area, %", 100.0, 1),
    "l1": ("L1 of 255 ↓", 1.0, 2),
    "lpips": ("LPIPS ↓", 1.0, 4),
    "lpips_vgg": ("LPIPS (VGG) ↓", 1.0, 4),
}
"""Heading, factor and decimals of every score of a region."""

CELL = 3
"""Methods in a cell of the table of clips: the still portrait and the first two. All are in the JSON."""

TITLES = {
    "self": "Self-reenactment",
    "cross": "Cross-reenactment",
    "audio": "Driven by speech",
    "fixed-pose": "Driven by speech, pose of the portrait",
}
"""Heading of each mode."""


def to_json(evaluation: Evaluation) -> str:
    """The evaluation and its mean as JSON; scores that could not be measured are null."""
    content = asdict(evaluation) | {"mean": asdict(evaluation.mean)}
    return json.dumps(_without_nan(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def from_json(text: str) -> Evaluation:
    """Inverse of :func:`to_json`.

    Raises:
        OptionError: If the text is not the JSON of an evaluation.
    """
    try:
        content = json.loads(text)
        clips = tuple(_clip_from(entry) for entry in content["clips"])
        return Evaluation(
            content["mode"],
            content["size"],
            content["every"],
            clips,
            content["skipped"],
            content["not_computed"],
            content.get("fid", {}),
            content.get("portrait_frame", "first"),
            content.get("most"),
            content.get("photos", 1),
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"This is not a saved evaluation ({error!r}).", "Give an evaluation.json.") from error


def mean_table(evaluation: Evaluation) -> str:
    """Markdown table of means, one row per method. Scores that no method has are left out."""
    mean = evaluation.mean
    shown = [name for name in COLUMNS if any(not math.isnan(getattr(row, name)) for row in mean.scores.values())]
    lines = [_row(["", *(COLUMNS[name][0] for name in shown)]), _row(["---", *["---:"] * len(shown)])]
    for method, scores in mean.scores.items():
        lines.append(_row([method, *(_number(scores, name) for name in shown)]))
    return "\n".join(lines)


def clip_table(evaluation: Evaluation) -> str:
    """Markdown table with a row per clip, the worst first, and the mean; cells have a few methods in their order."""
    clips = (*evaluation.worst_first(_judged(evaluation)), evaluation.mean)
    methods = evaluation.methods[:CELL]
    shown = [
        name
        for name in CLIP_COLUMNS
        if any(not math.isnan(getattr(row, name)) for clip in clips for row in clip.scores.values())
    ]
    headings = [COLUMNS[name][0] for name in shown]
    lines = [_row(["clip", "frames", "hard", *headings]), _row(["---", *["---:"] * (len(headings) + 2)])]
    for clip in clips:
        cells = [" / ".join(_number(clip.scores[method], name) for method in methods) for name in shown]
        lines.append(_row([clip.clip, str(clip.frames), str(clip.hard_frames), *cells]))
    worst = f"The clips in which {_judged(evaluation)} is worst come first."
    return f"Every cell: {' / '.join(methods)}. {worst}\n\n" + "\n".join(lines)


def region_table(evaluation: Evaluation) -> str:
    """Markdown table with a row per region, means over clips; empty where regions were not told."""
    mean = evaluation.mean
    methods = [name for name in evaluation.methods if name in mean.regions]
    if not methods:
        return ""
    shown = [name for name in REGION_COLUMNS if any(_has(mean.regions[method], name) for method in methods)]
    headings = [REGION_COLUMNS[name][0] for name in shown]
    lines = [_row(["region", *headings]), _row(["---", *["---:"] * len(headings)])]
    for region in REGIONS:
        cells = []
        for name in shown:
            values = [getattr(mean.regions[method][region], name) for method in methods]
            _, factor, digits = REGION_COLUMNS[name]
            one = values[:1] if name == "area" else values  # the real frame's, the same for all
            cells.append(" / ".join("–" if math.isnan(value) else f"{factor * value:.{digits}f}" for value in one))
        lines.append(_row([region, *cells]))
    return (
        f"Disjoint regions of the real frame. Every cell: {' / '.join(methods)}. Hair is the head outside the face, "
        "with ears; the outline is a band along the edge of the face.\n\n" + "\n".join(lines)
    )


def verdict(evaluation: Evaluation) -> str:
    """Summarise what training changed against the prior, in Markdown; empty unless both were evaluated."""
    if not {PRIOR, TRAINED} <= set(evaluation.methods):
        return ""
    mean = evaluation.mean
    prior, trained = mean.scores[PRIOR], mean.scores[TRAINED]
    lines = []
    for name in ("psnr_mouth_hard", "psnr_mouth_easy", "lpips_mouth", "psnr_face", "aed", "apd", "lmd"):
        before, after = getattr(prior, name), getattr(trained, name)
        if not math.isnan(before + after):
            heading, digits = COLUMNS[name]
            lines.append(f"- {heading} {before:.{digits}f} → {after:.{digits}f} ({after - before:+.{digits}f})")
    if not math.isnan(prior.lpips_face + trained.lpips_face):
        change = 100 * (trained.lpips_face / prior.lpips_face - 1)
        worse = [clip.clip for clip in evaluation.clips if _lpips(clip, TRAINED) > _lpips(clip, PRIOR)]
        lines.insert(0, f"- face LPIPS {prior.lpips_face:.4f} → {trained.lpips_face:.4f} ({change:+.1f} %)")
        lines.append(f"- clips with a worse face LPIPS: {', '.join(worse) or 'none'}")
    return "Trained against prior:\n\n" + "\n".join(lines)


def markdown(evaluation: Evaluation) -> str:
    """The whole report."""
    mean = evaluation.mean
    stride = "every frame" if evaluation.every == 1 else f"one frame in {evaluation.every}"
    stride = "some frames" if evaluation.most is not None else stride
    remarks = [
        f"{len(evaluation.clips)} clips, {mean.frames} frames ({stride}), {evaluation.size} px. Scores are means over "
        "clips; AED in standard deviations of this project's face model, APD in radians; jitter is what the video "
        "trembles more (+) or less (-) than the real one, in pixels at 256 per frame².",
        "LMD and lip gap in pixels at 256. LPIPS is shift-tolerant, by AlexNet where no other network is named, on "
        "each second of these frames or, where frames were picked, on all. The wrapped PSNR is a known mistake, given "
        "only for comparison with published columns."
        if evaluation.mode != "cross"
        else "The portrait is another person's, so pictures are not compared.",
        "Slopes are of the lips tracked in the result over the driver's, both measured on the head; over clips they "
        "are pooled, so that lips that move much count more. 1 goes all the way, less is muted.",
    ]
    if evaluation.portrait_frame == "turned":
        remarks.append("The portrait is the clip's most turned frame, of 25° or more; its most frontal ones are made.")
    if evaluation.photos > 1:
        remarks.append(
            f"The photos are {evaluation.photos} frames of the clip's first half, its first one and those that stand "
            "for its expressions and poses as they were tracked; frames of the second half are measured."
        )
    if evaluation.mode != "cross" and PRIOR in evaluation.methods:
        remarks.append(
            f"{mean.hard_frames} frames are hard: there the prior's mouth has less than 19 dB. Hard and easy frames "
            "are pooled over clips."
        )
    if any(not math.isnan(row.csim_sface) for row in mean.scores.values()):
        remarks.append(
            "CSIM is the mean cosine between SFace's directions of a frame and of the portrait; it cannot be compared "
            "with that of ArcFace."
        )
    if evaluation.fid:
        remarks.append(
            f"FID is between the {mean.frames} frames of all clips together and as many real ones, by the 2048 "
            "features of Inception-v3 (2015-12-05)."
        )
    parts = [
        f"# {TITLES[evaluation.mode]}",
        " ".join(remarks),
        mean_table(evaluation),
        speech_report(evaluation),
        region_table(evaluation),
        verdict(evaluation),
        clip_table(evaluation),
        _list(evaluation.not_computed),
        "Left out:\n\n" + _list(evaluation.skipped) if evaluation.skipped else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_report(evaluation: Evaluation, folder: str | Path) -> None:
    """Write ``evaluation.json`` and ``evaluation.md`` into a folder, which is made if it is missing."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(to_json(evaluation), encoding="utf-8")
    (folder / "evaluation.md").write_text(markdown(evaluation), encoding="utf-8")


def _lpips(clip: ClipScore, method: str) -> float:
    """LPIPS of the face in one clip."""
    return clip.scores[method].lpips_face


def _list(entries: dict[str, str]) -> str:
    """Markdown list of names and remarks."""
    return "\n".join(f"- {name}: {remark}" for name, remark in entries.items())


def _without_nan(value: object) -> object:
    """Replace NaN by None in nested dicts and sequences."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _clip_from(entry: dict[str, Any]) -> ClipScore:
    """One clip of the JSON."""
    return ClipScore(
        clip=entry["clip"],
        frames=entry["frames"],
        hard_frames=entry["hard_frames"],
        scores={method: _scores_from(scores) for method, scores in entry["scores"].items()},
        regions={
            method: {region: RegionScore(**_numbers(score)) for region, score in regions.items()}
            for method, regions in entry.get("regions", {}).items()
        },
        **_numbers({name: entry.get(name) for name in ("lip_gap_spread", "lip_width_spread")}),
        speech={method: _speech_from(score) for method, score in entry.get("speech", {}).items()},
        sync=AudioVisual(**_numbers(dict(zip(AudioVisual._fields, entry.get("sync") or ())))),
    )


def _speech_from(entry: dict[str, Any]) -> SpeechScore:
    """Scores of lips that a sound moves; null is NaN."""
    score = SpeechScore(closures=Count(*entry["closures"]), pauses=tuple(Count(*count) for count in entry["pauses"]))
    numbers = _numbers({name: value for name, value in entry.items() if name not in ("closures", "pauses")})
    return replace(score, **numbers)  # type: ignore[arg-type]


def _scores_from(entry: dict[str, Any]) -> Scores:
    """Scores of the JSON; null is NaN, and so is what nobody measured when it was written."""
    return Scores(**_numbers({column.name: entry.get(column.name) for column in fields(Scores)}))


def _numbers(entry: Mapping[str, float | None]) -> dict[str, float]:
    """Numbers of the JSON; null is NaN."""
    return {name: math.nan if value is None else float(value) for name, value in entry.items()}


def _judged(evaluation: Evaluation) -> str:
    """The method by which clips are ordered: the trained pipeline, else the last that was measured."""
    return TRAINED if TRAINED in evaluation.methods else evaluation.methods[-1]


def _has(regions: Mapping[Region, RegionScore], name: str) -> bool:
    """Whether a score of a region was measured anywhere."""
    return any(not math.isnan(getattr(score, name)) for score in regions.values())


def _row(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def _number(scores: Scores, name: str) -> str:
    """A score in its own number of decimals; a dash where there is none."""
    value = getattr(scores, name)
    return "–" if math.isnan(value) else f"{value:.{COLUMNS[name][1]}f}"
