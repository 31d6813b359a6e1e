"""The first stage: everything but the image network, by eq. 7 on head images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.corpus import Clip
from mggtalk.training.head.learner import Learner
from mggtalk.training.head.samples import Sample, Samples
from mggtalk.training.losses import HeadLoss
from mggtalk.training.stage import Outcome


class HeadStage:
    """DSGR's refinement, the deformation and SGP.

    Args:
        pipe: Whose networks learn.
        clips: The corpus.
        config: Which of them, and from what.
    """

    critic = None

    def __init__(self, pipe: MGGTalkPipeline, clips: list[Clip], config: TrainConfig) -> None:
        self.networks = config.train
        self.learner = Learner(pipe, config)
        self.loss = HeadLoss(config.loss)
        self.samples = Samples(clips, pipe.face_model, config)

    def set_train(self, learner: nn.Module) -> None:
        """See :class:`mggtalk.training.stage.Stage`."""
        learner.eval()
        for name in self.networks:
            getattr(learner, name).train()

    def outcome(
        self,
        learner: nn.Module,
        critic: nn.Module | None,  # noqa: ARG002  # this stage has none
        sample: Sample,
        device: torch.device,
    ) -> Outcome:
        """See :class:`mggtalk.training.stage.Stage`."""
        targets = [target.to(device) for target in sample.targets]
        renditions = learner(sample.avatar.to(device), targets, sample.background.to(device))
        losses = self.loss(*renditions)
        terms = {name: value for name, value in losses._asdict().items() if name != "total"}
        return Outcome(losses.total, terms, [renditions.coarse, renditions.dense, renditions.truth], sample.name)

    def critic_loss(self, critic: nn.Module, outcome: Outcome) -> Tensor:
        """There is none."""
        raise NotImplementedError("the first stage has no critic")
