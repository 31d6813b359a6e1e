"""What an evaluation leaves behind: JSON for programs, Markdown tables and contact sheets for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from PIL import Image

from mggtalk.errors import OptionError
from mggtalk.evaluation.scores import ClipScore, Evaluation, Scores

COLUMNS: dict[str, tuple[str, int]] = {
    "psnr": ("PSNR ↑", 2),
    "ssim": ("SSIM ↑", 3),
    "psnr_face": ("face PSNR ↑", 2),
    "ssim_face": ("face SSIM ↑", 3),
    "psnr_mouth": ("mouth PSNR ↑", 2),
    "psnr_mouth_hard": ("hard mouth PSNR ↑", 2),
    "lmd": ("LMD ↓", 2),
    "lmd_uncentred": ("LMD uncentred ↓", 2),
    "aed": ("AED ↓", 3),
    "apd": ("APD ↓", 3),
    "jitter": ("jitter", 3),
    "psnr_wrapped": ("8-bit wrapped PSNR", 2),
}
"""Heading and decimals of every score."""

CLIP_COLUMNS = ("psnr", "ssim", "psnr_face", "psnr_mouth", "lmd", "aed", "apd", "jitter")
"""Scores that are given clip by clip."""


def to_json(evaluation: Evaluation) -> str:
    """The evaluation and its mean as JSON; scores that could not be measured are null."""
    content = asdict(evaluation) | {"mean": asdict(evaluation.mean)}
    return json.dumps(_without_nan(content), indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> Evaluation:
    """Inverse of :func:`to_json`.

    Raises:
        OptionError: If the text is not the JSON of an evaluation.
    """
    try:
        content = json.loads(text)
        clips = tuple(_clip_from(entry) for entry in content["clips"])
        return Evaluation(content["size"], content["every"], clips, content["skipped"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"This is not a saved evaluation ({error!r}).", "Give an evaluation.json.") from error


def clip_table(evaluation: Evaluation, label: str = "generated") -> str:
    """Markdown table with one row per clip and the mean; every cell is ``still portrait | method``."""
    headings = [COLUMNS[name][0] for name in CLIP_COLUMNS]
    lines = [_row(["clip", "frames", *headings]), _row(["---", *["---:"] * (len(headings) + 1)])]
    for clip in (*evaluation.clips, evaluation.mean):
        cells = [f"{_number(clip.still, name)} → {_number(clip.generated, name)}" for name in CLIP_COLUMNS]
        lines.append(_row([clip.clip, str(clip.frames), *cells]))
    return f"Every cell: still portrait → {label}.\n\n" + "\n".join(lines) + "\n"


def comparison_table(evaluations: Mapping[str, Evaluation]) -> str:
    """Markdown table of means: the still portrait, then one row per method.

    Args:
        evaluations: Method's name to its evaluation; all on the same clips, size and stride.

    Raises:
        OptionError: If the evaluations do not cover the same frames.
    """
    first = next(iter(evaluations.values()))
    frames = [(clip.clip, clip.frames) for clip in first.clips]
    for name, other in evaluations.items():
        if other.size != first.size or [(clip.clip, clip.frames) for clip in other.clips] != frames:
            raise OptionError(f"{name!r} was not evaluated on the same frames.", "Evaluate all methods alike.")
    lines = [_row(["", *(heading for heading, _ in COLUMNS.values())]), _row(["---", *["---:"] * len(COLUMNS)])]
    lines.append(_row(["still portrait", *(_number(first.mean.still, name) for name in COLUMNS)]))
    for label, evaluation in evaluations.items():
        lines.append(_row([label, *(_number(evaluation.mean.generated, name) for name in COLUMNS)]))
    return "\n".join(lines) + "\n"


def markdown(evaluation: Evaluation, label: str = "generated") -> str:
    """The whole report of one method."""
    mean = evaluation.mean
    stride = "every frame" if evaluation.every == 1 else f"one frame in {evaluation.every}"
    parts = [
        "# Self-reenactment",
        f"{len(evaluation.clips)} clips, {mean.frames} frames ({stride}), {evaluation.size} px. The portrait is the "
        f"first frame of each clip. Hard frames ({mean.hard_frames}) are those in which the still portrait's mouth is "
        "far off. LMD and jitter in pixels at 256, AED in standard deviations of this project's face model, APD in "
        "radians. The wrapped PSNR is a known mistake, given only for comparison with published columns.",
        comparison_table({label: evaluation}).rstrip(),
        clip_table(evaluation, label).rstrip(),
    ]
    if evaluation.skipped:
        parts.append("Left out:\n\n" + "\n".join(f"- {clip}: {why}" for clip, why in evaluation.skipped.items()))
    return "\n\n".join(parts) + "\n"


def write_report(evaluation: Evaluation, folder: str | Path, label: str = "generated") -> None:
    """Write ``evaluation.json`` and ``evaluation.md`` into a folder, which is made if it is missing."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(to_json(evaluation), encoding="utf-8")
    (folder / "evaluation.md").write_text(markdown(evaluation, label), encoding="utf-8")


def contact_sheet(moments: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Real frames, generated frames and their differences below each other, one column per moment.

    Args:
        moments: N pairs (real, generated) of uint8 ``[S, S, 3]``.

    Returns:
        uint8 ``[3 * S, N * S, 3]``; differences are absolute.
    """
    columns = []
    for real, generated in moments:
        difference = np.abs(real.astype(np.int16) - generated.astype(np.int16)).astype(np.uint8)  # [S, S, 3]
        columns.append(np.concatenate([real, generated, difference]))  # [3S, S, 3]
    return np.concatenate(columns, axis=1)


def save_contact_sheet(moments: Sequence[tuple[np.ndarray, np.ndarray]], path: str | Path) -> None:
    """Write :func:`contact_sheet` as PNG; missing folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(moments)).save(path)


def _without_nan(value: object) -> object:
    """Replace NaN by None in nested dicts and sequences."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _clip_from(entry: dict) -> ClipScore:
    """One clip of the JSON."""
    return ClipScore(
        clip=entry["clip"],
        frames=entry["frames"],
        hard_frames=entry["hard_frames"],
        generated=_scores_from(entry["generated"]),
        still=_scores_from(entry["still"]),
    )


def _scores_from(entry: dict) -> Scores:
    """Scores of the JSON; null is NaN."""
    values = {column.name: entry[column.name] for column in fields(Scores)}
    return Scores(**{name: math.nan if value is None else float(value) for name, value in values.items()})


def _row(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def _number(scores: Scores, name: str) -> str:
    """A score in its own number of decimals; a dash where there is none."""
    value = getattr(scores, name)
    return "–" if math.isnan(value) else f"{value:.{COLUMNS[name][1]}f}"
