"""The colours of the sheet behind the lips by themselves: the part that an hour on a laptop can teach well."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.nets.perceptual import LPIPS
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.sgp.predictor import SymmetricGaussianPredictor
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.corpus import Clip
from mggtalk.training.losses import weighted_mean
from mggtalk.training.mouth.samples import MouthSample, MouthSamples
from mggtalk.training.mouth.views import MouthView
from mggtalk.training.stage import Outcome


class MouthPainter(nn.Module):
    """The mouth decoder as what learns."""

    def __init__(self, sgp: SymmetricGaussianPredictor) -> None:
        super().__init__()
        self.sgp = sgp
        sgp.mouth_decoder.requires_grad_()

    def forward(self, views: MouthView) -> Tensor:
        """Pictures ``[B, 3, W, W]`` of B views."""
        return views.painted(self.sgp.mouth_decoder.unet(views.inputs, views.expression))


class MouthStage:
    """The sheet's colours, on windows around the lips.

    Args:
        pipe: Its mouth decoder learns.
        clips: The corpus.
        config: From what it learns.
    """

    networks = ("sgp",)
    critic = None

    def __init__(self, pipe: MGGTalkPipeline, clips: list[Clip], config: TrainConfig) -> None:
        self.config = config
        self.learner = MouthPainter(pipe.sgp)
        self.loss = LPIPS("alex")
        self.samples = MouthSamples(clips, pipe, config)

    def set_train(self, learner: nn.Module) -> None:
        """See :class:`mggtalk.training.stage.Stage`."""
        assert isinstance(learner, MouthPainter)
        learner.sgp.eval().mouth_decoder.train()

    def outcome(
        self,
        learner: nn.Module,
        critic: nn.Module | None,  # noqa: ARG002  # this stage has none
        sample: MouthSample,
        device: torch.device,
    ) -> Outcome:
        """See :class:`mggtalk.training.stage.Stage`."""
        views = MouthView(*(part.to(device) for part in sample.views))
        made = learner(views)  # [B, 3, W, W]
        l1 = weighted_mean((made - views.truth).abs(), views.head * (0.2 + views.share))
        lpips = weighted_mean(self.loss.map(made, views.truth), views.head * (0.1 + views.mouth))
        total = l1 + self.config.loss.lpips * lpips
        return Outcome(total, {"l1": l1, "lpips": lpips}, [views.base, made, views.truth], sample.name)

    def critic_loss(self, critic: nn.Module, outcome: Outcome) -> Tensor:
        """There is none."""
        raise NotImplementedError("this stage has no critic")
