"""The image network's own stage: crops of layers that were drawn once, so that a step needs no splatting."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.inpaint.image_renderer import ImageRenderer, Layers
from mggtalk.nets.perceptual import LPIPS
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.config import CompletionConfig, TrainConfig
from mggtalk.training.image.critic import Critic, hinge_loss
from mggtalk.training.image.samples import ImageSample, ImageSamples
from mggtalk.training.image.shards import Shard
from mggtalk.training.losses import ssim_map
from mggtalk.training.stage import Outcome


class Completion(nn.Module):
    """The image network as what learns."""

    def __init__(self, image_renderer: ImageRenderer) -> None:
        super().__init__()
        self.image_renderer = image_renderer.requires_grad_()

    def forward(self, layers: Layers) -> Tensor:
        """RGB ``[B, 3, W, W]`` of B crops' layers ``[B, ..., W, W]``."""
        maps = torch.cat([layers.composite, layers.alpha], dim=1)  # [B, 4, W, W]
        residual = self.image_renderer.residual(maps, layers.change)
        # Not clamped, as a clamped value has no gradient; a value beyond [0, 1] is an error like any other.
        return layers.composite + layers.gate * residual


class ImageLoss(nn.Module):
    """L1, SSIM, LPIPS by two networks that take turns over the crops, and the change from frame to frame.

    Args:
        config: Weights of the terms.

    Raises:
        WeightsMissingError: If the perceptual networks are not installed.
    """

    def __init__(self, config: CompletionConfig) -> None:
        super().__init__()
        self.config = config
        self.alex = LPIPS("alex") if config.alex else None
        self.vgg = LPIPS("vgg") if config.vgg else None

    def forward(self, made: Tensor, real: Tensor, before: Tensor, number: int) -> dict[str, Tensor]:
        """Terms, unweighted.

        Args:
            made: ``[B, 3, W, W]``.
            real: The same shape.
            before: ``[N, 2]`` which crops show neighbouring frames.
            number: Of the draw; by it the perceptual networks take turns.
        """
        terms = {"l1": (made - real).abs().mean(), "ssim": (1.0 - ssim_map(made, real)).mean()}
        parity = number % 2
        if self.alex is not None:
            terms["alex"] = self.alex(made[parity::2], real[parity::2]).mean()
        if self.vgg is not None:  # the dearest term: a piece from the middle
            cut = (made.shape[-1] - self.config.piece) // 2
            middle = slice(cut, cut + self.config.piece)
            pieces = (pictures[1 - parity :: 2, :, middle, middle] for pictures in (made, real))
            terms["vgg"] = self.vgg(*pieces).mean()
        if len(before):
            earlier, later = before.unbind(1)
            wanted = real[later] - real[earlier]
            terms["temporal"] = (made[later] - made[earlier] - wanted).abs().mean()
        return terms


class ImageStage:
    """Crops of the composite, finished.

    Args:
        pipe: Its image network learns.
        shards: Layers of all pairs, see :func:`mggtalk.training.image.draw.draw_shards`.
        config: From what it learns.
    """

    networks = ("image_renderer",)

    def __init__(self, pipe: MGGTalkPipeline, shards: list[Shard], config: TrainConfig) -> None:
        self.config = config
        self.learner = Completion(pipe.image_renderer)
        with torch.random.fork_rng(devices=[]):  # the same critic in every run, whatever was drawn before
            torch.manual_seed(config.seed)
            self.critic = Critic(config.completion.critic_width) if config.completion.adversarial else None
        self.loss = ImageLoss(config.completion)
        self.samples = ImageSamples(shards, pipe.face_model, config)

    def set_train(self, learner: nn.Module) -> None:
        """See :class:`mggtalk.training.stage.Stage`."""
        learner.train()

    def outcome(
        self, learner: nn.Module, critic: nn.Module | None, sample: ImageSample, device: torch.device
    ) -> Outcome:
        """See :class:`mggtalk.training.stage.Stage`."""
        config = self.config.completion
        layers, real = Layers(*(part.to(device) for part in sample.layers)), sample.real.to(device)
        made = learner(layers)  # [B, 3, W, W]
        terms = self.loss(made, real, sample.before.to(device), sample.number)
        total = torch.stack([getattr(config, name) * term for name, term in terms.items() if name != "l1"]).sum()
        total = total + terms["l1"]
        if critic is not None and sample.number >= config.adversarial_from * self.config.steps:
            terms["adversarial"] = -critic(made).mean()
            total = total + config.adversarial * terms["adversarial"]
        return Outcome(total, terms, [layers.composite, made, real], sample.name)

    def critic_loss(self, critic: nn.Module, outcome: Outcome) -> Tensor:
        """What the critic minimises on the same crops."""
        return hinge_loss(critic, outcome.columns[1], outcome.columns[2])
