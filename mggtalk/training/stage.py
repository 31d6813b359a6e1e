"""Stage of a training, as the trainer sees it: the learner, its losses, and how to show what it makes."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Outcome(NamedTuple):
    """Pictures of one step, and their losses."""

    total: Tensor  # [] what is minimised
    terms: dict[str, Tensor]  # its parts, unweighted, for the log
    columns: list[Tensor]  # pictures [K, 3, W, W]: what was made, in order of quality, and last the real ones
    name: str  # of the clip


class Draws(Protocol):
    """Samples that a stage learns from."""

    def draw(self, index: int) -> Any:
        """The stage's own kind of sample, always the same for one index: step times processes, plus the process."""


class Stage(Protocol):
    """A part of the pipeline that is trained by itself."""

    @property
    def learner(self) -> nn.Module:
        """Parameters that learn."""

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the pipeline's networks that the learner holds as attributes and trains."""

    @property
    def critic(self) -> nn.Module | None:
        """A discriminator, if the stage has one."""

    @property
    def loss(self) -> nn.Module:
        """Frozen networks that the losses need; moved to the device."""

    @property
    def samples(self) -> Draws:
        """Data that it learns from."""

    def set_train(self, learner: nn.Module) -> None:
        """Training mode for what learns, evaluation mode for the rest."""

    def outcome(self, learner: nn.Module, critic: nn.Module | None, sample: Any, device: torch.device) -> Outcome:
        """Pictures and losses of one sample."""

    def critic_loss(self, critic: nn.Module, outcome: Outcome) -> Tensor:
        """Compute the critic's loss on the same pictures."""
