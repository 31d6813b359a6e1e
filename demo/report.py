"""Cards of the page: states of a job, the portrait check and the quality report, as HTML that is safe to show."""

from __future__ import annotations

import html
import re
from pathlib import Path

from gradio.utils import get_upload_folder

from demo.film import Film
from mggtalk.errors import MGGTalkError
from mggtalk.evaluation.quality import SAFE_YAW, STEADY_PIXELS, SURE, SYNC_SECONDS, Quality
from mggtalk.portrait.album import Album
from mggtalk.portrait.check import PortraitCheck

DOTS = {"good": "✓", "fair": "!", "poor": "✗", "note": "i"}
"""Grades are told by shape as well as by colour."""

LIST = "<ul>{}</ul>"


def public(error: MGGTalkError) -> str:
    """An error's message without the server's folders, safe to be shown as HTML."""
    cache = str(Path(get_upload_folder()))
    names_only = re.sub(re.escape(cache) + r"[\\/](?:[^\\/'\s]+[\\/])*", "", str(error))
    return html.escape(names_only, quote=False)


def empty(text: str, live: bool = False) -> str:
    """The state before anything was asked for, or what is to be done next, which screen readers then say."""
    role = ' role="status"' if live else ""
    return f'<div class="state empty"{role}>{text}</div>'


def busy(line: str, part: float) -> str:
    """The state while a job runs: stage, frames a second, time left."""
    bar = f'<progress max="1" value="{part:.3f}" aria-label="Progress"></progress>'
    return f'<div class="state busy" role="status" aria-busy="true">{html.escape(line)} {bar}</div>'


def failed(message: str) -> str:
    """The state after an error; the message is HTML."""
    return f'<div class="state error" role="alert"><b>This did not work.</b> {message}</div>'


def done(film: Film) -> str:
    """The state at the end."""
    word = "Stopped: what was rendered is kept." if film.stopped else "Done."
    return (
        f'<div class="state done" role="status"><b>{word}</b> {html.escape(film.facts)}. AI-made, and marked so.</div>'
    )


def dubbed(facts: str, notes: tuple[str, ...]) -> str:
    """The state when a film is dubbed."""
    more = LIST.format("".join(_line("note", "Note", note) for note in notes)) if notes else ""
    return (
        f'<div class="state done" role="status"><b>Done.</b> {html.escape(facts)}. AI-made, and marked so.'
        f'<div class="lines">{more}</div></div>'
    )


def portrait_card(check: PortraitCheck) -> str:
    """The portrait check."""
    lines = [_line(finding.grade, finding.name, finding.value, finding.advice) for finding in check.findings]
    return f'<div class="card" role="status" aria-label="Portrait check">{LIST.format("".join(lines))}</div>'


def album_card(album: Album) -> str:
    """What each of several photos adds."""
    lines = [
        _line("good" if remark.kept else "fair", f"Photo {number}", remark.text)
        for number, remark in enumerate(album.remarks, start=1)
    ]
    return f'<div class="card" role="status" aria-label="Photos">{LIST.format("".join(lines))}</div>'


def quality_card(film: Film) -> str:
    """The quality report of a video."""
    return f'<div class="card" aria-label="Quality report"><b>Quality</b>{LIST.format("".join(_quality(film)))}</div>'


def _quality(film: Film) -> list[str]:
    quality: Quality = film.quality
    steady = quality.jitter <= STEADY_PIXELS
    low, high = quality.yaw
    lost = f"{quality.lost} frames lost" if quality.lost else "whole"
    lines = [
        _line("good" if steady else "fair", "Steadiness", f"trembles by {quality.jitter:.2f} pixels (of 512)"),
        _line(
            "fair" if quality.out_of_range else "good",
            "Head turn",
            f"{low:+.0f}° to {high:+.0f}° from the photo"
            + (f"; beyond {SAFE_YAW:g}° for {quality.out_of_range:.1f} s" if quality.out_of_range else ""),
        ),
        _line("fair" if quality.lost else "good", "Tracking", lost),
    ]
    if quality.sync is not None:
        sure = quality.sync.correlation >= SURE
        lag = quality.sync.lag
        side = "after" if lag > 0 else "before"
        value = f"lips {abs(lag) * 1000:.0f} ms {side} the sound (correlation {quality.sync.correlation:.2f})"
        fine = sure and abs(lag) <= SYNC_SECONDS
        lines.append(_line("good" if fine else "fair", "Lip sync", value if sure else "lips and sound differ"))
    lines += [_line("fair", "Advice", line) for line in quality.advice]
    return lines + [_line("note", "Note", note) for note in film.notes]


def _line(grade: str, name: str, value: str, advice: str = "") -> str:
    """One line of a card."""
    more = f'<span class="advice">{html.escape(advice)}</span>' if advice else ""
    dot = f'<span class="dot" title="{grade}">{DOTS[grade]}</span>'
    return f'<li class="{grade}">{dot}<b>{html.escape(name)}</b><span>{html.escape(value)}</span>{more}</li>'
