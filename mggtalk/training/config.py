"""Settings of training the learned residuals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class PairConfig:
    """Weights of drawing targets. A frame has the weight ``1 + gap d + mouth m + eyes e``, each term with mean 1."""

    gap: float = 1.0  # preference for frames far from the source in pose and expression
    mouth: float = 0.0  # preference for a lip gap that differs from the source's
    eyes: float = 0.0  # preference for lids that differ from the source's: mostly blinks
    incremental: float = 0.0  # share of the draws that follow TalkingGaussian's incremental sampling (METHODS 8.3)


@dataclass(frozen=True)
class LossConfig:
    """Eq. 7: ``L1(I_c) + L1(I_tgt) + lambda_p (L_p(I_c) + L_p(I_tgt)) + lambda_ssim L_ssim(I_tgt)``."""

    perceptual: float = 0.01  # lambda_p
    ssim: float = 0.2  # lambda_ssim
    layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3")  # features of VGG16 that L_p compares
    lpips: float = 0.0  # weight of the learned perceptual distance (AlexNet) of the dense picture, beside eq. 7
    lpips_targets: int = 1  # of so many targets of each step: it is the dearest term
    mouth: float = 0.0  # extra weight of the mouth's pixels in every term; 0: the paper's
    eyes: float = 0.0  # extra weight of the eyes' pixels


@dataclass(frozen=True)
class CompletionConfig:
    """Training of the image network on layers that were drawn once; its loss is L1 and what is weighted here."""

    pairs: int = 16  # targets that are drawn once per source
    following: float = 0.33  # share of them whose next frame is drawn as well
    crop: int = 128  # side of the crops that the perceptual networks see, pixels
    batch: int = 4  # pictures of one step
    neighbours: int = 1  # of these, pairs of neighbouring frames
    outline: float = 0.5  # share of the crops on hair, outline, neck and shoulders; the others are on the face
    mirror: float = 0.5  # share of the pictures that are mirrored
    noise: float = 0.2  # noise on the expression: few people have the same one, and would be known by it
    alex: float = 0.5  # weight of LPIPS by AlexNet, on the crops of every other picture
    vgg: float = 1.0  # weight of LPIPS by VGG, on the others
    piece: int = 96  # side of the middle of a crop that VGG sees
    ssim: float = 0.1  # weight of 1 - SSIM
    temporal: float = 0.5  # weight of the L1 between the changes from a frame to the next
    adversarial: float = 0.0  # weight of the critic's opinion (hinge GAN); 0: no critic
    adversarial_from: float = 0.6  # share of the run after which it counts
    critic_width: int = 32  # channels of the critic's first layer


@dataclass(frozen=True)
class MouthConfig:
    """Training of the colours of the sheet behind the lips alone."""

    window: int = 72  # side of the pictures, pixels
    pool: int = 800  # portraits whose views are drawn once, and looked at again and again
    frames: int = 8  # frames of each
    together: int = 2  # views of the same portrait in one step
    batch: int = 8  # views of one step
    hidden: float = 0.5  # share of the portraits with open mouths whose own mouth is hidden
    noise: float = 0.2  # noise on the expression: few people have the same one, and would be known by it


@dataclass(frozen=True)
class WindowConfig:
    """Piece of a target picture that is rendered and compared."""

    side: int = 96  # pixels of the target; the whole picture if it is not smaller
    mouth: float = 0.5  # share of the windows that are centred on the mouth
    eyes: float = 0.2  # share that are centred between the eyes; the rest falls anywhere on the head
    jitter: float = 0.25  # how far a window's centre is off, over its side


@dataclass(frozen=True)
class TrainConfig:
    """One training run; saved beside its checkpoints."""

    steps: int = 20000  # optimiser steps
    learning_rate: float = 1e-4  # Adam's, the paper's
    warmup: int = 200  # steps over which it rises
    decay: bool = True  # it falls to a tenth over the run, as a cosine
    ema: float = 0.999  # decay of the averaged weights, which are what is saved for use
    clip_norm: float = 1.0  # largest norm of the gradient
    targets: int = 4  # target frames per source and step
    picture: int = 256  # side of the target pictures, pixels
    oversampling: int = 2  # the head is splatted this many times finer and shrunk, as it is when used
    colour: float = 0.15  # strength of the colour jitter
    train: tuple[str, ...] = (
        "refine",
        "deformation",
        "sgp",
    )  # what learns; ("image_renderer",) and ("mouth",) are stages of their own
    precision: Literal["no", "bf16", "fp16"] = "no"  # mixed precision of accelerate
    log_every: int = 20  # steps between lines of the log
    save_every: int = 500  # steps between checkpoints
    picture_every: int = 500  # steps between picture sheets
    seed: int = 0
    loss: LossConfig = field(default_factory=LossConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    mouth: MouthConfig = field(default_factory=MouthConfig)
