"""Evaluation: metrics, the self-reenactment protocol and its report."""

from mggtalk.evaluation.protocol import evaluate, score_clip
from mggtalk.evaluation.report import clip_table, comparison_table, from_json, markdown, to_json, write_report
from mggtalk.evaluation.scores import ClipScore, Evaluation, Scores

__all__ = [
    "ClipScore",
    "Evaluation",
    "Scores",
    "clip_table",
    "comparison_table",
    "evaluate",
    "from_json",
    "markdown",
    "score_clip",
    "to_json",
    "write_report",
]
