"""Tables of lips that a sound moves, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mggtalk.evaluation.scores import REAL, ClipScore, Evaluation
from mggtalk.evaluation.speech import CLOSED, MOST_OFFSET, MOST_SYNC, PAUSES, SYNC_CORRELATION, Count, SpeechScore

HEADINGS = (
    "gap correlation ↑", "gap slope → 1", "gap spread → 1", "width correlation ↑", "width slope → 1",
    "width spread → 1", "late by, frames", "P, B, M closed ↑",
    *(f"pauses of {low:g} s{f' to {high:g} s' if high else ' and more'} closed ↑"
      for low, high in zip(PAUSES, (*PAUSES[1:], None))),
)  # fmt: skip
"""Of the columns; those of :func:`_cells`."""


def speech_report(evaluation: Evaluation) -> str:
    """What the lips of all methods reach; empty where no sound drove them."""
    heard = [clip for clip in evaluation.clips if clip.speech]
    if not heard:
        return ""
    in_time = [clip for clip in heard if clip.sync.in_sync]
    parts = [
        "## Lips by sound",
        "Lips of the face model's mesh, every frame. **a (b)**: a is what a user gets; b is after the lips were shifted"
        f" by the whole number of frames, at most {MOST_OFFSET}, at which their gap is most like the real one; it takes"
        " the real lips to know. Slope: least squares over the real lips; spread: standard deviation over theirs. "
        f"Closed: within {CLOSED:g} mm of the face at rest, in one frame of the phone, or in the median of the pause's "
        "middle half. A clip is in sync if its real lips are most like those that the embedded prior makes of likely "
        f"phones at an offset of {MOST_SYNC} frames or less, with a correlation of {SYNC_CORRELATION:g} or more there. "
        "Means over clips; closures and pauses are pooled.",
        _table("in sync", in_time, evaluation) if in_time else "No clip is in sync.",
        _table("all", heard, evaluation) if len(in_time) < len(heard) else "",
        _clips(heard),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(name: str, clips: Sequence[ClipScore], evaluation: Evaluation) -> str:
    """Means over some clips, a row for each method."""
    listed = ", ".join(clip.clip.rsplit(".", 1)[0] for clip in clips)
    return f"{len(clips)} clips {'' if name == 'all' else name + ' '}({listed}):\n\n" + _rows(
        evaluation.mean_speech(clips)
    )


def _clips(clips: Sequence[ClipScore]) -> str:
    """A table for each clip."""
    parts = []
    for clip in clips:
        state = "in sync" if clip.sync.in_sync else "not in sync"
        found = f"real lips late by {_number(clip.sync.lag, 0)} frames, correlation {_number(clip.sync.correlation)}"
        parts.append(f"{clip.clip}: {state} ({found})\n\n" + _rows(clip.speech))
    return "\n\n".join(parts)


def _rows(scores: Mapping[str, SpeechScore]) -> str:
    """A table with a row for each method."""
    lines = [_line("", HEADINGS), _line("---", ["---:"] * len(HEADINGS))]
    lines += [_line(name, _cells(score, name == REAL)) for name, score in scores.items()]
    return "\n".join(lines)


def _cells(score: SpeechScore, real: bool) -> list[str]:
    """One row; of the real lips only what they are not compared with."""
    compared = [
        f"{_number(score.gap_correlation)} ({_number(score.gap_correlation_shifted)})",
        f"{_number(score.gap_slope)} ({_number(score.gap_slope_shifted)})",
        _number(score.gap_spread),
        f"{_number(score.width_correlation)} ({_number(score.width_correlation_shifted)})",
        _number(score.width_slope),
        _number(score.width_spread),
        _number(score.offset, 1),
    ]
    counts = [_count(count) for count in (score.closures, *score.pauses)]
    return [*(["–"] * len(compared) if real else compared), *counts]


def _number(value: float, digits: int = 2) -> str:
    """A dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _count(count: Count) -> str:
    """Share and total."""
    return f"{100 * count.share:.0f} % of {count.total}" if count.total else "–"


def _line(name: str, cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join((name, *cells)) + " |"
