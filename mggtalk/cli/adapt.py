"""``python -m mggtalk adapt``."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mggtalk.avatar.adapter_file import write_adapter
from mggtalk.evaluation.scores import Scores
from mggtalk.person.adapt import AdaptConfig, adapt, check_config, measure
from mggtalk.person.footage import LEAST_SECONDS, MOST_SECONDS
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress


def adapt_to_clip(pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Learn from a clip and write the adapter.

    Args:
        pipe: Its networks stay as they are.
        options: Of the command line.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Lines for the user: notes, a table of what is gained on held-out seconds, the path.
    """
    config = AdaptConfig(held_out=options.held_out, crop=options.crop)
    config = replace(config, learn=replace(config.learn, minutes=options.minutes))
    check_config(config)
    adaptation = adapt(pipe, options.clip, options.consent, config, options.face, on_progress)
    write_adapter(options.out, adaptation.file)
    facts = adaptation.file.facts
    lines = [f"note: learned from {facts.seconds:.0f} s in {facts.steps} steps"]
    if not LEAST_SECONDS <= facts.seconds <= MOST_SECONDS:
        lines.append(f"note: clips of {LEAST_SECONDS:g} to {MOST_SECONDS:g} s are best")
    if adaptation.clip.held_out is not None:
        lines += table(measure(pipe, adaptation))
    return [*lines, options.out]


def table(scores: dict[str, Scores]) -> list[str]:
    """Scores of held-out seconds as lines of Markdown."""
    lines = ["| held-out seconds | face LPIPS | mouth LPIPS | face PSNR | mouth PSNR |", "|---|---|---|---|---|"]
    for name, row in scores.items():
        values = f"{row.lpips_face:.4f} | {row.lpips_mouth:.4f} | {row.psnr_face:.2f} | {row.psnr_mouth:.2f}"
        lines.append(f"| {name} | {values} |")
    return lines
