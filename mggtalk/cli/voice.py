"""The command ``python -m mggtalk voice``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from mggtalk.errors import WeightsMissingError
from mggtalk.face.face_model import FaceModel
from mggtalk.media.clips import Clip
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress
from mggtalk.speech.audio_prior import AudioPrior, Voice
from mggtalk.speech.voice_file import save_voice
from mggtalk.training.speech.clips import SpeechClip, read_clip
from mggtalk.training.speech.scores import LipScore, predict_lips, score
from mggtalk.training.speech.speaker import LEAST_SECONDS, fit_voice, in_time

LEARNED = 0.7
"""Share of the clip that a voice is learned from while the rest judges it."""


def learn_voice(pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Fit a voice to a clip and write it.

    Args:
        pipe: Its audio prior stays as it is.
        options: Of the command line: ``clip``, ``out`` and ``consent``.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Lines for the user: what is gained on the clip's end, the path.

    Raises:
        OptionError: If nobody agreed, or the clip is too short or its lips and sound do not go together.
        WeightsMissingError: If there is no trained audio prior.
        MGGTalkError: If the clip cannot be read, or shows or says nothing.
    """
    (prior, ears), face_model = pipe.lip_prior(), pipe.face_model
    if prior.untrained:
        raise WeightsMissingError("These weights have no trained audio prior.", "Leave --prior out, or train one.")
    on_progress("voice", 0, 3)
    clip = read_clip(
        Clip(Path(options.clip), Path(options.clip).name, None), face_model, pipe.config.render.focal_ratio
    )
    clip = in_time(clip, prior, face_model, ears)
    on_progress("voice", 1, 3)
    lines = []
    if (1.0 - LEARNED) * len(clip.expression) / clip.fps >= LEAST_SECONDS:
        lines = judged(clip, prior, face_model)
    on_progress("voice", 2, 3)
    save_voice(fit_voice(prior, clip, face_model), options.out, prior.config)
    on_progress("voice", 3, 3)
    return [f"note: sound late by {clip.lag:+.0f} frames, corrected", *lines, options.out]


def judged(clip: SpeechClip, prior: AudioPrior, face_model: FaceModel) -> list[str]:
    """Measure what a voice is worth.

    Returns:
        Scores of the clip's end by a voice that was learned from its beginning, as lines of Markdown.
    """
    voice = fit_voice(prior, clip, face_model, share=LEARNED)
    end = int(LEARNED * len(clip.expression))
    lines = ["| end of the clip | correlation of the lip gap | LMD, px at 256 |", "|---|---|---|"]
    for name, lips, whose in (("rules", None, None), ("average voice", prior, None), ("this voice", prior, voice)):
        row = _score(clip, end, lips, whose, face_model)
        lines.append(f"| {name} | {row.correlation:.2f} | {row.lmd:.2f} |")
    return lines


def _score(
    clip: SpeechClip, start: int, prior: AudioPrior | None, voice: Voice | None, face_model: FaceModel
) -> LipScore:
    """Nearness of the lips from a frame on."""
    expression, _ = predict_lips(clip, prior, voice)
    part = replace(
        clip,
        expression=clip.expression[start:],
        rotation=clip.rotation[start:],
        translation=clip.translation[start:],
    )
    return score(part, expression[start:], face_model)
