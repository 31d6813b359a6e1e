"""``python -m mggtalk adapt``."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from mggtalk.animate.talking_video import first_interrupt
from mggtalk.evaluation.scores import Scores
from mggtalk.media.clips import find_clips
from mggtalk.person.adapt import MEASURED, AdaptConfig, adapt, is_learning, measure, write_head
from mggtalk.person.evaluate import evaluate_person, markdown
from mggtalk.person.footage import LEAST_SECONDS, MOST_SECONDS
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress

CHECKPOINT = ".checkpoint"
"""Ending, after that of the file, of what learning goes on from."""


def adapt_to_clip(pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Learn from a clip and write the adapter.

    Args:
        pipe: Its networks stay as they are.
        options: Of the command line.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Lines for the user: notes, a table of what is gained on held-out seconds, the path.
    """
    talking = FieldConfig(colour=options.colour_mlp)
    config = AdaptConfig(held_out=options.held_out, crop=options.crop, method=options.method, talking=talking)
    config = config.lasting(options.minutes)
    learning = threading.Event()

    def watch(stage: str, done: int, total: int) -> None:
        if is_learning(stage):
            learning.set()
        on_progress(stage, done, total)

    resume = Path(f"{options.out}{CHECKPOINT}")
    with first_interrupt(learning.is_set) as interrupted:
        adaptation = adapt(pipe, options.clip, options.consent, config, options.face, watch, interrupted.is_set, resume)
    write_head(options.out, adaptation.file)
    facts = adaptation.file.facts
    size = Path(options.out).stat().st_size / 1e6
    lines = [f"note: learned from {facts.seconds:.0f} s in {facts.steps} steps by {options.method}; {size:.1f} MB"]
    lines += [f"note: {note}" for note in (*adaptation.clip.notes, adaptation.voice.note)]
    if interrupted.is_set() and resume.exists():
        lines.append(f"note: stopped early; the same command goes on from {str(resume)!r}")
    if not LEAST_SECONDS <= facts.seconds <= MOST_SECONDS:
        lines.append(f"note: clips of {LEAST_SECONDS:g} to {MOST_SECONDS:g} s are best")
    if adaptation.clip.held_out is not None:
        lines += table(measure(pipe, adaptation))
    return [*lines, options.out]


def measure_heads(pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Learn and measure heads on the clips of a folder; the lines are the report."""
    config = AdaptConfig(held_out=options.held_out).lasting(options.minutes)
    paths = [clip.path for clip in find_clips(options.clips, options.csv, options.split)]
    most = MEASURED if options.frames is None else options.frames
    scores = evaluate_person(pipe, paths, config, options.consent, options.ablate, most, options.out, on_progress)
    return markdown(scores).splitlines()


def table(scores: dict[str, Scores]) -> list[str]:
    """Scores of held-out seconds as lines of Markdown."""
    lines = ["| held-out seconds | face LPIPS | mouth LPIPS | face PSNR | mouth PSNR |", "|---|---|---|---|---|"]
    for name, row in scores.items():
        values = f"{row.lpips_face:.4f} | {row.lpips_mouth:.4f} | {row.psnr_face:.2f} | {row.psnr_mouth:.2f}"
        lines.append(f"| {name} | {values} |")
    return lines
