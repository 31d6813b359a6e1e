"""The command ``python -m mggtalk train``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from mggtalk.cli.train_speech import train_speech
from mggtalk.config import Ablation, paper, tiny
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.corpus import Clip, open_corpus
from mggtalk.training.head.overfit import face_psnr
from mggtalk.training.head.stage import HeadStage
from mggtalk.training.image.draw import draw_shards
from mggtalk.training.image.stage import ImageStage
from mggtalk.training.mouth.stage import MouthStage
from mggtalk.training.recipes import SPEECH, recipe
from mggtalk.training.stage import Stage
from mggtalk.training.trainer import WEIGHTS, Trainer


def train_corpus(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Train on a corpus, or on one clip of it.

    Args:
        options: Of the command line.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Lines for the user.

    Raises:
        OptionError: If the corpus, the recipe or the clip is not there.
    """
    if options.recipe == SPEECH:
        return train_speech(options, on_progress)
    config = recipe(options.recipe, options.set)
    if options.steps is not None:
        config = replace(config, steps=options.steps)
    networks = {None: None, "tiny": tiny(), "paper": paper()}[options.config]
    pipe = MGGTalkPipeline.from_pretrained(options.weights, config=networks, prior=options.prior)
    if options.ablate:
        networks = Ablation.of(options.ablate).applied(pipe.config)
        pipe = MGGTalkPipeline.from_pretrained(options.weights, config=networks, prior=options.prior)
    clips = open_corpus(options.corpus, pipe.face_model.version)
    if options.overfit is not None:
        clips = [clip for clip in clips if clip.name == options.overfit]
        if not clips:
            raise OptionError(f"The corpus has no clip {options.overfit!r}.", "Give the name of one of its .tar files.")
    stage = make_stage(pipe, clips, config, Path(options.out), on_progress)
    trainer = Trainer(pipe, stage, options.out, config)
    trainer.run(on_progress)
    lines = [f"{Path(options.out) / WEIGHTS}: weights of step {trainer.step}"]
    if options.overfit is not None:
        prior = MGGTalkPipeline.from_pretrained(options.weights, config=networks, prior=True)
        with torch.inference_mode():
            before, after = face_psnr(prior, clips[0]), face_psnr(trainer.pipe, clips[0])
        lines.append(f"face hull of {clips[0].name}: {after:.1f} dB, prior {before:.1f} dB")
    return lines


def make_stage(
    pipe: MGGTalkPipeline, clips: list[Clip], config: TrainConfig, out: Path, on_progress: Progress
) -> Stage:
    """Make what a recipe trains; for the image network, the layers are drawn into the run's folder first.

    Args:
        pipe: Its networks learn.
        clips: The corpus.
        config: Of the training.
        out: Folder of the run.
        on_progress: Called with stage, steps done and steps in all.
    """
    if config.train == ImageStage.networks:
        return ImageStage(pipe, draw_shards(pipe, clips, out / "layers", config, on_progress), config)
    if config.train == ("mouth",):
        return MouthStage(pipe, clips, config)
    return HeadStage(pipe, clips, config)
