"""The loop of every training: one step of an optimiser after another, until all the work is done.

What learns, from what, and what is written on the way belongs to those who call it: the trainer of the networks
(:mod:`mggtalk.training.trainer`), the audio prior, a voice, and the heads of single people.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mggtalk.errors import MGGTalkError

Rate = Callable[[int], float]
"""Factor of the learning rate at a step, counted from 0."""


class GradientError(MGGTalkError):
    """A gradient is not finite; the weights are those of the step before."""


class Loop:
    """Steps of an optimiser, each with a gradient, a clipped norm, a rate from a schedule and an averaged weight.

    Args:
        optimizer: Holds what learns, and how fast at a rate of 1.
        rate: For all groups of the optimiser, or one for each.
        clip_norm: Largest norm of the gradient.
        average: Follows the weights of ``learner``.
        learner: The module that is averaged.
        accelerator: Computes the gradients; without one torch does.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        rate: Rate | Sequence[Rate],
        clip_norm: float = math.inf,
        average: AveragedModel | None = None,
        learner: nn.Module | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.schedule = LambdaLR(optimizer, rate if callable(rate) else list(rate))
        self.clip_norm = clip_norm
        self.average, self.learner = average, learner
        self.accelerator = accelerator
        self.step = 0  # steps taken

    def run(self, loss_at: Callable[[int], Tensor], done: Callable[[int], float]) -> Iterator[float]:
        """Take steps until the work is done.

        Args:
            loss_at: The loss of a step, a scalar with a gradient.
            done: Share of the work that is done after so many steps, by their number or by the clock.

        Yields:
            After every step, the norm of its gradient.

        Raises:
            GradientError: If a gradient is not finite.
        """
        while done(self.step) < 1.0:
            with torch.enable_grad():
                norm = self._descend(loss_at(self.step))
            self.step += 1
            yield norm

    def _descend(self, loss: Tensor) -> float:
        """Take one step."""
        self.optimizer.zero_grad()
        learning = [tensor for group in self.optimizer.param_groups for tensor in group["params"]]
        if self.accelerator is None:
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(learning, self.clip_norm)
        else:
            self.accelerator.backward(loss)
            norm = self.accelerator.clip_grad_norm_(learning, self.clip_norm)
        length = float(norm)
        if not math.isfinite(length):
            raise GradientError(f"The gradient is not finite at step {self.step}.", "Lower the learning rate.")
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None and self.learner is not None:
            self.average.update_parameters(self.learner)
        return length


class Budget:
    """Share of the work that is done: by the clock or by the steps, whichever comes first.

    All who ask about one step get the same answer.

    Args:
        minutes: Most time.
        steps: Most steps.
        seconds: Time that was spent already, for work that is resumed.
        step: Steps that were taken already.
    """

    def __init__(self, minutes: float, steps: int, seconds: float = 0.0, step: int = 0) -> None:
        self._minutes, self._steps = minutes, steps
        self._started = time.monotonic() - seconds
        self._told = step, self._share(seconds, step)

    @property
    def seconds(self) -> float:
        """Time spent."""
        return time.monotonic() - self._started

    def __call__(self, step: int) -> float:
        """Share after so many steps, 0 to 1 or a little more."""
        if step != self._told[0]:
            self._told = step, self._share(self.seconds, step)
        return self._told[1]

    def in_all(self, step: int) -> int:
        """Steps that there will be in all, as far as it is known after so many of them."""
        return max(step, round(step / self(step)))

    def _share(self, seconds: float, step: int) -> float:
        return max(seconds / (60.0 * self._minutes), step / self._steps)


def average_of(learner: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of a module's weights, before the first step."""
    return AveragedModel(learner, multi_avg_fn=get_ema_multi_avg_fn(decay))


def cosine(done: float, floor: float = 0.1) -> float:
    """Factor of the learning rate when a share of the work is done: from 1 to the floor, as half a cosine."""
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
