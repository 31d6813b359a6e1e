"""The training loop: resumes exactly, saves averaged weights that the pipeline loads, shows what it learns."""

from __future__ import annotations

import json
import logging
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from mggtalk.checkpoint import NETWORKS, config_from_dict
from mggtalk.errors import MGGTalkError, OptionError
from mggtalk.nets.freeze import freeze
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.training.config import TrainConfig
from mggtalk.training.loop import GradientError, Loop, average_of, cosine
from mggtalk.training.stage import Outcome, Stage

logger = logging.getLogger(__name__)

CONFIG, LOG, LATEST, WEIGHTS = "train.json", "log.jsonl", "latest", "weights"
"""Folder of a run: its configuration, its log, its last checkpoint and the weights for use."""


class Trainer:
    """Trains one stage of a pipeline.

    A run's folder holds everything; a trainer that is made on a folder with a checkpoint goes on from there, with the
    same losses as if it had never stopped.

    Args:
        pipe: Its networks are trained, in place.
        stage: What learns, and from what.
        folder: Of the run.
        config: How to train. A run that is resumed keeps its own; more steps may be asked for.

    Raises:
        OptionError: If the folder holds a run with another configuration.
    """

    def __init__(self, pipe: MGGTalkPipeline, stage: Stage, folder: str | Path, config: TrainConfig) -> None:
        self.pipe = pipe
        self.stage = stage
        self.config = config
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.accelerator = accelerator = Accelerator(mixed_precision=config.precision)
        self._check_config()
        set_seed(config.seed)
        self.average = average_of(stage.learner, config.ema).to(accelerator.device)
        self.loop = Loop(
            _adam(stage.learner, config),
            lambda step: rate(step, config),
            config.clip_norm,
            self.average,
            stage.learner,
            accelerator,
        )
        self.learner, self.loop.optimizer = accelerator.prepare(stage.learner, self.loop.optimizer)
        self.critic = self.critic_optimizer = None
        if stage.critic is not None:
            self.critic, self.critic_optimizer = accelerator.prepare(stage.critic, _adam(stage.critic, config))
        accelerator.register_for_checkpointing(self.average, self.loop.schedule)
        stage.loss.to(accelerator.device)
        self._outcome: Outcome | None = None  # of the last step
        self._drawn: dict[int, Future[Any]] = {}
        self._resume()

    def run(self, on_progress: Progress = no_progress) -> None:
        """Train to the last step; checkpoints, pictures and the log are written on the way."""
        accelerator = self.accelerator
        writer = SummaryWriter(str(self.folder)) if accelerator.is_main_process else None
        self.stage.set_train(accelerator.unwrap_model(self.learner))
        with ThreadPoolExecutor(1, "sample") as drawer:
            try:
                self._steps(drawer, writer, on_progress)
            finally:
                drawer.shutdown(wait=False, cancel_futures=True)  # a sample that is not needed is not waited for
                if writer is not None:
                    writer.close()

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.loop.step

    def _steps(self, drawer: ThreadPoolExecutor, writer: SummaryWriter | None, on_progress: Progress) -> None:
        """Take all steps that are left."""
        config = self.config
        started, first = time.monotonic(), self.step
        try:
            for norm in self.loop.run(lambda step: self._loss(drawer, step), lambda step: step / config.steps):
                outcome = self._criticise()
                if self.step % config.log_every == 0 and writer is not None:
                    self._log(writer, outcome, norm, (time.monotonic() - started) / (self.step - first))
                if self.step % config.picture_every == 0 and writer is not None:
                    writer.add_image("made, real", sheet(outcome.columns), self.step)
                if self.step % config.save_every == 0 or self.step == config.steps:
                    self.save()
                on_progress("train", self.step, config.steps)
        except GradientError as error:
            name = "" if self._outcome is None else f" ({self._outcome.name})"
            raise MGGTalkError(
                f"The gradient is not finite at step {self.step}{name}.",
                f"The last checkpoint is of step {self.step - self.step % config.save_every}.",
            ) from error

    def _loss(self, drawer: ThreadPoolExecutor, step: int) -> Tensor:
        """Compute the loss of the sample of a step; the outcome is kept until the step is taken."""
        accelerator = self.accelerator
        index = step * accelerator.num_processes + accelerator.process_index
        with accelerator.autocast():
            sample = self._draw(drawer, index, index + accelerator.num_processes)
            self._outcome = self.stage.outcome(self.learner, self.critic, sample, accelerator.device)
        return self._outcome.total

    def _criticise(self) -> Outcome:
        """The outcome of the last step, from which the critic learns too, if there is one."""
        outcome = self._outcome
        assert outcome is not None
        if self.critic is not None and self.critic_optimizer is not None:
            self.critic_optimizer.zero_grad()
            self.accelerator.backward(self.stage.critic_loss(self.critic, outcome))
            self.critic_optimizer.step()
        return outcome

    def _draw(self, drawer: ThreadPoolExecutor, index: int, following: int) -> Any:
        """Draw the sample of one index, and the following one in the background."""
        drawn = self._drawn.pop(index, None) or drawer.submit(self.stage.samples.draw, index)
        self._drawn = {following: drawer.submit(self.stage.samples.draw, following)}
        return drawn.result()

    def save(self) -> None:
        """Write a checkpoint, and the averaged weights as a pipeline's folder. A half-written one never counts."""
        partial, latest, old = (self.folder / name for name in ("partial", LATEST, "old"))
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(partial))
        self.accelerator.wait_for_everyone()  # every process writes its own random numbers there
        if self.accelerator.is_main_process:
            (partial / "step.json").write_text(json.dumps({"step": self.step}))
            shutil.rmtree(old, ignore_errors=True)
            if latest.exists():
                latest.rename(old)
            partial.rename(latest)
            shutil.rmtree(old, ignore_errors=True)
            self.export(self.folder / WEIGHTS)
        self.accelerator.wait_for_everyone()

    def export(self, folder: Path) -> None:
        """Write the averaged weights so that ``MGGTalkPipeline.from_pretrained(folder)`` loads them."""
        averaged = self.average.module
        for name in self.stage.networks:
            state = {key: value.cpu() for key, value in getattr(averaged, name).state_dict().items()}
            with torch.random.fork_rng(devices=[]):  # a run that saves must draw what one that does not save draws
                own = NETWORKS[name](self.pipe.config)
            own.load_state_dict(state)
            setattr(self.pipe, name, freeze(own))
        self.pipe.save_pretrained(folder)

    def _resume(self) -> None:
        """Load the last checkpoint, if there is one."""
        latest = self.folder / LATEST
        if not latest.exists() and (self.folder / "old").exists():  # killed between two renames
            (self.folder / "old").rename(latest)
        if not latest.exists():
            return
        self.accelerator.load_state(str(latest))
        self.loop.step = int(json.loads((latest / "step.json").read_text())["step"])
        logger.info("resumed at step %d", self.step)

    def _check_config(self) -> None:
        """Keep the configuration beside the run, and refuse another one."""
        path = self.folder / CONFIG
        if path.exists():
            saved = config_from_dict(TrainConfig, _tuples(json.loads(path.read_text())))
            differing = [
                name
                for name, value in asdict(saved).items()
                if value != asdict(self.config)[name] and name not in ("steps", "log_every", "save_every")
            ]
            if differing:
                raise OptionError(
                    f"{self.folder} holds a run with another {', '.join(differing)}.", "Choose another folder."
                )
        self.accelerator.wait_for_everyone()  # all have read it
        if self.accelerator.is_main_process:
            path.write_text(json.dumps(asdict(self.config), indent=2) + "\n")

    def _log(self, writer: SummaryWriter, outcome: Outcome, norm: float, seconds: float) -> None:
        """Numbers of one step, to TensorBoard, to the log file and to the logger."""
        values = {name: float(value.detach()) for name, value in outcome.terms.items()}
        values |= {
            "total": float(outcome.total.detach()),
            "gradient": norm,
            "rate": float(self.loop.schedule.get_last_lr()[0]),
            "seconds_per_step": seconds,
        }
        for name, value in values.items():
            writer.add_scalar(name, value, self.step)
        with (self.folder / LOG).open("a") as file:
            file.write(json.dumps({"step": self.step} | {name: round(value, 6) for name, value in values.items()}))
            file.write("\n")
        logger.info("step %d: loss %.4f, %.2f s a step", self.step, values["total"], seconds)


def rate(step: int, config: TrainConfig) -> float:
    """Factor of the learning rate: a linear rise, then a cosine to a tenth."""
    rise = min(1.0, (step + 1) / max(config.warmup, 1))
    return rise * cosine(step / config.steps) if config.decay else rise


def sheet(columns: list[Tensor]) -> Tensor:
    """Columns of K pictures ``[K, 3, W, W]`` side by side: ``[3, K * W, columns * W]``."""
    rows = torch.cat(columns, dim=-1).detach().clamp(0, 1).cpu()  # [K, 3, W, columns * W]
    return torch.cat(list(rows), dim=1)


def _adam(module: nn.Module, config: TrainConfig) -> torch.optim.Adam:
    """The optimiser of what has gradients in a module."""
    return torch.optim.Adam([entry for entry in module.parameters() if entry.requires_grad], lr=config.learning_rate)


def _tuples(values: Any) -> Any:
    """JSON knows lists only; the configuration has tuples."""
    if isinstance(values, dict):
        return {name: _tuples(value) for name, value in values.items()}
    return tuple(_tuples(value) for value in values) if isinstance(values, list) else values
