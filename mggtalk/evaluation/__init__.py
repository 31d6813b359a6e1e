"""Evaluation: metrics, the protocol of comparing methods on clips, and its report."""

from mggtalk.evaluation.protocol import EvaluationConfig, Method, evaluate
from mggtalk.evaluation.report import from_json, markdown, to_json, write_report
from mggtalk.evaluation.scores import PRIOR, STILL, TRAINED, ClipScore, Evaluation, Scores
from mggtalk.evaluation.tasks import MODES, Mode

__all__ = [
    "MODES",
    "PRIOR",
    "STILL",
    "TRAINED",
    "ClipScore",
    "Evaluation",
    "EvaluationConfig",
    "Method",
    "Mode",
    "Scores",
    "evaluate",
    "from_json",
    "markdown",
    "to_json",
    "write_report",
]
