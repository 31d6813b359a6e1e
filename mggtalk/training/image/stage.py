"""The image network's own stage: layers that were drawn once, so that a step needs no splatting.

The network sees whole pictures, as it does when it is used: its normalisation takes the mean over the picture, and over
a crop it would be another one. Only the perceptual networks, which cost several times as much, and SSIM look at crops.
"""

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
        """RGB ``[B, 3, S, S]`` of layers ``[B, ..., S, S]``."""
        maps = torch.cat([layers.composite, layers.alpha], dim=1)  # [B, 4, S, S]
        residual = self.image_renderer.residual(maps, layers.change)
        # Not clamped, as a clamped value has no gradient; a value beyond [0, 1] is an error like any other.
        return layers.composite + layers.gate * residual


class ImageLoss(nn.Module):
    """L1 and the change from frame to frame of pictures; SSIM, and LPIPS by two networks that take turns, of crops.

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

    def forward(self, made: Tensor, sample: ImageSample) -> dict[str, Tensor]:
        """Terms, unweighted.

        Args:
            made: ``[B, 3, S, S]``.
            sample: What is wanted, on the same device.
        """
        real, before = sample.real, sample.before
        config, parity = self.config, sample.number % 2
        crops = [cut_windows(pictures, sample.windows, config.crop) for pictures in (made, real)]
        terms = {"l1": (made - real).abs().mean(), "ssim": (1.0 - ssim_map(*crops)).mean()}
        if self.alex is not None:
            terms["alex"] = self.alex(*(crop[parity::2] for crop in crops)).mean()
        if self.vgg is not None:  # the dearest term: a piece from the middle
            cut = (config.crop - config.piece) // 2
            middle = slice(cut, cut + config.piece)
            terms["vgg"] = self.vgg(*(crop[1 - parity :: 2, :, middle, middle] for crop in crops)).mean()
        if len(before):
            earlier, later = before.unbind(1)
            wanted = real[later] - real[earlier]
            terms["temporal"] = (made[later] - made[earlier] - wanted).abs().mean()
        return terms


class ImageStage:
    """The composite, finished.

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
        layers = Layers(*(part.to(device) for part in sample.layers))
        sample = sample._replace(layers=layers, real=sample.real.to(device), before=sample.before.to(device))
        made = learner(layers)  # [B, 3, S, S]
        terms = self.loss(made, sample)
        total = torch.stack([getattr(config, name) * term for name, term in terms.items() if name != "l1"]).sum()
        total = total + terms["l1"]
        if critic is not None and sample.number >= config.adversarial_from * self.config.steps:
            terms["adversarial"] = -critic(made).mean()
            total = total + config.adversarial * terms["adversarial"]
        return Outcome(total, terms, [layers.composite, made, sample.real], sample.name)

    def critic_loss(self, critic: nn.Module, outcome: Outcome) -> Tensor:
        """What the critic minimises on the same pictures."""
        return hinge_loss(critic, outcome.columns[1], outcome.columns[2])


def cut_windows(pictures: Tensor, windows: Tensor, side: int) -> Tensor:
    """Crops ``[B, C, side, side]`` of pictures ``[B, C, S, S]`` from the first rows and columns ``[B, 2]`` on."""
    corners = windows.tolist()
    return torch.stack(
        [picture[:, row : row + side, column : column + side] for picture, (row, column) in zip(pictures, corners)]
    )
