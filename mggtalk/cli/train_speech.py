"""The command ``python -m mggtalk train --recipe speech``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

from mggtalk.errors import OptionError
from mggtalk.media import check_readable, load_sound
from mggtalk.media.clips import find_clips
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress
from mggtalk.speech.audio_prior import AudioPrior
from mggtalk.speech.speech_encoder import SpeechEncoder, encoder_folder
from mggtalk.training.recipes import changed
from mggtalk.training.speech.clips import hear, read_clips
from mggtalk.training.speech.config import SpeechTrainConfig
from mggtalk.training.speech.listening import fit_ears
from mggtalk.training.speech.scores import table
from mggtalk.training.speech.sync import synchronise
from mggtalk.training.speech.train import train_prior, with_variants


def _encoder(name: str, layer: int) -> SpeechEncoder:
    """The speech encoder of a name or folder."""
    folder = encoder_folder(name)
    if folder is None:
        raise OptionError(f"There is no speech encoder {name!r}.", "Give a folder of transformers with --encoder.")
    return SpeechEncoder(folder, layer)


def train_speech(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Train the audio prior on clips in which somebody speaks.

    Args:
        options: Of the command line: ``clips``, ``csv``, ``tracks``, ``weights``, ``out``, ``set``,
            ``encoder`` and ``speech``.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Lines for the user: what was left out and why, a table of the clips of the split ``val``, the weights.

    Raises:
        OptionError: If there are no clips, or none that can teach.
    """
    config = changed(SpeechTrainConfig(), options.set)
    encoder = None if options.encoder is None else _encoder(options.encoder, config.layer)
    if options.csv is not None:
        check_readable(options.csv, "table")
    found = find_clips(options.clips, options.csv, "train")
    try:
        judged = find_clips(options.clips, options.csv, "val") if options.csv is not None else []
    except OptionError:  # a table without such a split
        judged = []
    pipe = MGGTalkPipeline.from_pretrained(options.weights)
    face_model, ratio = pipe.face_model, pipe.config.render.focal_ratio
    taught, left_out = read_clips(found, face_model, ratio, options.tracks, on_progress)
    others, left_out_too = read_clips(judged, face_model, ratio, options.tracks, on_progress)
    heard = [hear(clip, (), face_model) for clip in (*taught, *others)]
    in_time, late = synchronise(heard, face_model, config.sync, teachers=len(taught))
    names = {clip.name for clip in taught}
    teachers = [clip for clip in in_time if clip.name in names]
    if not teachers:
        reason = next(iter((left_out | late).values()), "there is none")
        raise OptionError(f"No clip can teach; the first: {reason}.", "Give clips in which lips and sound go together.")
    ears, size = None, pipe.config.audio_prior
    if encoder is not None:
        more = () if options.speech is None else sorted(Path(options.speech).iterdir())
        ears = fit_ears(encoder, chain((clip.sound for clip in taught), map(load_sound, more)), config.sounds)
        size = replace(
            pipe.config.encoded_prior,
            encoder=str(Path(options.encoder).resolve()) if Path(options.encoder).is_dir() else options.encoder,
            layer=config.layer,
            hidden=encoder.width,
            places=encoder.places,
            sounds=config.sounds,
        )
    clips = with_variants(teachers, face_model, config.augment, config.seed, on_progress, ears)
    prior = train_prior(clips, face_model, size, ears)
    if encoder is None:
        pipe.audio_prior, pipe.encoded_prior = prior, AudioPrior(pipe.config.encoded_prior)
    else:
        pipe.config, pipe.encoded_prior = replace(pipe.config, encoded_prior=size), prior
    out = Path(options.out)
    pipe.save_pretrained(out / "weights")
    left_out = left_out | left_out_too | late
    record = {"config": asdict(config), "clips": {clip.name: clip.lag for clip in clips}, "left out": left_out}
    (out / "train.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    measured = [hear(clip, (), face_model, ears) for clip in in_time if clip.name not in names]
    return [
        *(f"note: {name} is left out: {reason}" for name, reason in left_out.items()),
        *(table(measured, prior, face_model) if measured else ()),
        f"{out / 'weights'}: learned from {len(clips)} clips",
    ]
