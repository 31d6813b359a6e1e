"""The second stage: the inpainter, on finished frames, with a critic (GAN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.inpaint.inpainter import Inpainter, Layers
from mggtalk.nets.perceptual import LPIPS
from mggtalk.nets.unet import conv_block
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.corpus import Clip
from mggtalk.training.head.learner import Target
from mggtalk.training.head.samples import Sample, Samples
from mggtalk.training.losses import weighted_mean
from mggtalk.training.stage import Outcome


class Completion(nn.Module):
    """The inpainter as what learns."""

    def __init__(self, inpainter: Inpainter) -> None:
        super().__init__()
        self.inpainter = inpainter.requires_grad_(True)

    def forward(self, layers: Layers) -> Tensor:
        """RGB ``[K, 3, S, S]`` of K frames' layers."""
        return self.inpainter(*layers)


class Critic(nn.Module):
    """A patch discriminator."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.SiLU(),
            conv_block(width, 2 * width, stride=2),
            conv_block(2 * width, 4 * width, stride=2),
            nn.Conv2d(4 * width, 1, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures ``[B, 3, S, S]`` in [0, 1] to scores ``[B, 1, S/8, S/8]``, high for real ones."""
        return self.body(2.0 * pictures - 1.0)  # [B, 1, S/8, S/8]


class InpaintStage:
    """Frames of the pipeline as it is, completed.

    Args:
        pipe: Its other networks stay as they are.
        clips: The corpus.
        config: From what it learns; its window must be the whole picture.
    """

    networks = ("inpainter",)

    def __init__(self, pipe: MGGTalkPipeline, clips: list[Clip], config: TrainConfig) -> None:
        self.pipe = pipe
        self.config = config
        self.learner = Completion(pipe.inpainter)
        self.critic = Critic(config.completion.critic_width) if config.completion.adversarial else None
        self.loss = LPIPS("alex")
        self.samples = Samples(clips, pipe.face_model, config, plates=True)

    def set_train(self, learner: nn.Module) -> None:
        """See :class:`mggtalk.training.stage.Stage`."""
        learner.train()

    def outcome(self, learner: nn.Module, critic: nn.Module | None, sample: Sample, device: torch.device) -> Outcome:
        """See :class:`mggtalk.training.stage.Stage`."""
        config = self.config.completion
        with torch.no_grad():
            animator = self.pipe.animator(sample.avatar, self.config.picture)
            parts = [animator.layers(animator.splats(t.frame.expression), t.frame) for t in sample.targets]
        gates = torch.stack([part.gate for part in parts]).view(-1, 1, 1, 1)  # [K, 1, 1, 1]
        composite, alpha, plate = (torch.cat(fields).to(device) for fields in zip(*(part[:3] for part in parts)))
        layers = Layers(composite, alpha, plate, gates.to(device))
        made = learner(layers)  # [K, 3, S, S]
        real = torch.stack([target.image for target in sample.targets]).to(device)
        weight = torch.stack([target.weight for target in sample.targets]).to(device)
        corners = [piece_corner(target, config.piece, sample.number) for target in sample.targets]
        made_piece, real_piece = (pieces(pictures, corners, config.piece) for pictures in (made, real))
        terms = {
            "l1": weighted_mean((made - real).abs(), weight),
            "perceptual": self.loss(made_piece, real_piece).mean(),
        }
        total = terms["l1"] + config.perceptual * terms["perceptual"]
        if critic is not None:
            terms["adversarial"] = -critic(made_piece).mean()
            total = total + config.adversarial * terms["adversarial"]
        return Outcome(total, terms, [made_piece, real_piece], sample.name)

    def critic_loss(self, critic: nn.Module, outcome: Outcome) -> Tensor:
        """The hinge loss ``relu(1 - D(real)) + relu(1 + D(made))``."""
        made, real = (critic(pictures.detach()) for pictures in outcome.columns)
        return F.relu(1.0 - real).mean() + F.relu(1.0 + made).mean()


def piece_corner(target: Target, side: int, seed: int) -> tuple[int, int]:
    """Left and upper edge of a random piece whose middle shows the head."""
    size = target.head.shape[-1]
    rows, columns = torch.nonzero(target.head[0] > 0.5).unbind(-1)
    if not len(rows):
        return (size - side) // 2, (size - side) // 2
    chosen = int(torch.randint(len(rows), (), generator=torch.Generator().manual_seed(seed)))
    return tuple(  # type: ignore[return-value]
        min(max(int(places[chosen]) - side // 2, 0), size - side) for places in (columns, rows)
    )


def pieces(pictures: Tensor, corners: list[tuple[int, int]], side: int) -> Tensor:
    """A piece of each picture: ``[K, 3, S, S]`` to ``[K, 3, side, side]``."""
    cut = [picture[:, top : top + side, left : left + side] for picture, (left, top) in zip(pictures, corners)]
    return torch.stack(cut)  # [K, 3, side, side]
