"""Perceptual networks: LPIPS to measure with, VGG features to train with.

The weights are those of the shift-tolerant LPIPS (Ghildyal & Liu, ECCV 2022): AlexNet and VGG16, whose poolings have
stride one and are followed by a blur that halves the side, with the linear layers that turn differences of features
into a distance. They come inside the wheel ``stlpips-pytorch``, which is looked up by its location and never imported.
Distances are comparable with those of the same networks only, not with the classic LPIPS.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.errors import WeightsMissingError
from mggtalk.nets.freeze import freeze

Network = Literal["alex", "vgg"]

PACKAGE = "stlpips_pytorch"

CHECKSUMS: dict[Network, str] = {
    "alex": "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    "vgg": "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
}
"""SHA-256 of ``<network>_shift_tolerant.pth``."""

ADVICE = "Install the wheel that carries them: pip install --no-deps stlpips-pytorch==0.0.2."

VGG_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
"""Features of VGG16, each at half the side of the one before."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours."""

LEAST_SIDE = 32
"""Smallest picture that the deepest features can be taken of, pixels."""


def read_weights(network: Network) -> dict[str, Tensor]:
    """The checked weights of one network.

    Raises:
        WeightsMissingError: If the wheel is not installed or the file has another checksum.
    """
    name = f"{network}_shift_tolerant.pth"
    package = importlib.util.find_spec(PACKAGE)
    folders = (package.submodule_search_locations or []) if package else []
    path = next((found for folder in folders if (found := Path(folder, "weights", "vST0.0", name)).is_file()), None)
    if path is None:
        raise WeightsMissingError(f"The perceptual weights {name} are not here.", ADVICE)
    content = path.read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != CHECKSUMS[network]:
        raise WeightsMissingError(f"{path} has checksum {checksum[:12]}…, not {CHECKSUMS[network][:12]}….", ADVICE)
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


class BlurPool(nn.Module):
    """Halve the side of maps after a binomial blur of 3 x 3; the border of two pixels is mirrored."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor((0.25, 0.5, 0.25))
        self.register_buffer("kernel", (line[:, None] * line)[None, None], persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, C, (H + 3) // 2, (W + 3) // 2]``."""
        channels = maps.shape[1]
        padded = F.pad(maps, (2, 2, 2, 2), mode="reflect")  # [B, C, H + 4, W + 4]
        return F.conv2d(padded, self.kernel.expand(channels, 1, 3, 3), stride=2, groups=channels)


class Trunk(nn.Module):
    """The convolutions of AlexNet or VGG16 in five stages, of which the first few may be enough.

    Args:
        network: Which.
        weights: Of :func:`read_weights`.
        stages: How many are needed; later ones are not built.
    """

    def __init__(self, network: Network, weights: dict[str, Tensor], stages: int = 5) -> None:
        super().__init__()
        build = _alex_stages if network == "alex" else _vgg_stages
        self.stages = nn.ModuleList(build()[:stages])
        for number, stage in enumerate(self.stages, start=1):
            given = [key for key in weights if key.startswith(f"net.slice{number}.") and key.endswith(".weight")]
            layers = [layer for layer in stage.modules() if isinstance(layer, nn.Conv2d)]
            for key, layer in zip(sorted(given, key=lambda key: int(key.split(".")[2])), layers, strict=True):
                layer.weight.data = weights[key]
                layer.bias.data = weights[key.removesuffix("weight") + "bias"]  # type: ignore[union-attr]
        freeze(self)

    def forward(self, maps: Tensor) -> list[Tensor]:
        """Features after each stage, ``[B, C, h, w]``, of normalised pictures ``[B, 3, H, W]``."""
        features = []
        maps = maps.contiguous(memory_format=torch.channels_last)  # poolings are several times faster so
        for stage in self.stages:
            maps = stage(maps)
            features.append(maps)
        return features


class LPIPS(nn.Module):
    r"""Learned perceptual distance.

    .. math:: d(x, y) = \sum_l \operatorname{mean}_{hw} \; w_l \cdot (\hat\phi_l(x) - \hat\phi_l(y))^2

    with features :math:`\hat\phi_l` of unit length. Frozen, and differentiable with respect to the pictures.

    Args:
        network: ``alex`` (fast; what is reported) or ``vgg``.

    Raises:
        WeightsMissingError: If the weights are not installed.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, network: Network = "alex") -> None:
        super().__init__()
        weights = read_weights(network)
        self.trunk = Trunk(network, weights)
        for name in ("shift", "scale"):
            self.register_buffer(name, weights[f"scaling_layer.{name}"], persistent=False)  # [1, 3, 1, 1]
        self.linear = nn.ParameterList(
            nn.Parameter(weights[f"lin{level}.model.1.weight"], requires_grad=False) for level in range(5)
        )
        self.eval()

    def forward(self, image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
        """Distance of pictures.

        Args:
            image: ``[B, 3, H, W]`` in [0, 1], sides of at least :data:`LEAST_SIDE`.
            truth: ``[B or 1, 3, H, W]``.
            mask: ``[B or 1, 1, H, W]``, weights >= 0 of the pixels that count; their context is seen all the same.

        Returns:
            ``[B]``; NaN under an empty mask.
        """
        layers = self.layers(image, truth)
        if mask is None:
            return torch.stack([layer.mean((1, 2, 3)) for layer in layers]).sum(0)  # [B]
        return masked_mean(upsample(layers, image.shape[-2:]), mask)

    def layers(self, image: Tensor, truth: Tensor) -> list[Tensor]:
        """Distances at the resolution of each layer, ``[B, 1, h, w]``."""
        _check_side(image)
        distances = []
        for one, other, weight in zip(self._features(image), self._features(truth), self.linear):
            distances.append(F.conv2d((one - other).square(), weight))
        return distances

    def map(self, image: Tensor, truth: Tensor) -> Tensor:
        """Compute where the pictures differ, ``[B, 1, H, W]``."""
        return upsample(self.layers(image, truth), image.shape[-2:])

    def _features(self, image: Tensor) -> list[Tensor]:
        """Features of unit length."""
        features = self.trunk((2 * image - 1 - self.shift) / self.scale)
        # The tiny number under the root keeps the gradient finite where nothing is active.
        return [maps / (maps.square().sum(1, keepdim=True) + 1e-20).sqrt() for maps in features]


class VGGFeatures(nn.Module):
    """Features of VGG16 for the perceptual term of eq. 7. Frozen, and differentiable with respect to the pictures.

    Args:
        layers: Names from :data:`VGG_LAYERS`; only the stages up to the deepest are built. Early ones are fast.

    Raises:
        WeightsMissingError: If the weights are not installed.
        ValueError: If a layer is not known.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: Sequence[str] = VGG_LAYERS[:3]) -> None:
        super().__init__()
        unknown = sorted(set(layers) - set(VGG_LAYERS))
        if unknown or not layers:
            raise ValueError(f"the layers are {list(layers)}, choose from {', '.join(VGG_LAYERS)}")
        self.chosen = sorted(VGG_LAYERS.index(layer) for layer in set(layers))
        self.trunk = Trunk("vgg", read_weights("vgg"), self.chosen[-1] + 1)
        self.register_buffer("mean", torch.tensor(MEAN)[None, :, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[None, :, None, None], persistent=False)
        self.eval()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Chosen features ``[B, C, h, w]`` of pictures ``[B, 3, H, W]`` in [0, 1], from early to deep."""
        _check_side(image)
        features = self.trunk((image - self.mean) / self.deviation)
        return [features[level] for level in self.chosen]

    def loss(self, image: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Perceptual loss: mean absolute difference of the features, mean over the layers.

        Args:
            image: ``[B, 3, H, W]`` in [0, 1].
            truth: The same shape; no gradient flows into it.
            weight: ``[B or 1, 1, H, W]``, weights >= 0 of the pixels; all alike without it.

        Returns:
            A scalar.
        """
        with torch.no_grad():
            wanted = self(truth)
        terms = []
        for one, other in zip(self(image), wanted):
            difference = (one - other).abs().mean(1, keepdim=True)  # [B, 1, h, w]
            if weight is None:
                terms.append(difference.mean())
            else:
                shares = F.adaptive_avg_pool2d(weight, difference.shape[-2:]).expand_as(difference)
                terms.append((difference * shares).sum() / shares.sum().clamp(min=1e-8))
        return torch.stack(terms).mean()


def upsample(layers: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Sum of maps ``[B, 1, h, w]`` of several sides at one size, ``[B, 1, H, W]``."""
    height, width = size
    maps = [F.interpolate(layer, size=(height, width), mode="bilinear", align_corners=False) for layer in layers]
    return torch.stack(maps).sum(0)


def masked_mean(maps: Tensor, mask: Tensor) -> Tensor:
    """Weighted mean ``[B]`` of maps ``[B, 1, H, W]`` under weights ``[B or 1, 1, H, W]``; NaN under an empty mask."""
    mask = mask.to(maps.dtype).expand_as(maps)
    total = mask.sum((1, 2, 3))  # [B]
    return torch.where(total > 0, (maps * mask).sum((1, 2, 3)) / total, math.nan)


def _check_side(image: Tensor) -> None:
    """Refuse pictures that are too small for the deepest features."""
    if min(image.shape[-2:]) < LEAST_SIDE:
        raise ValueError(f"the picture is {tuple(image.shape[-2:])}, its sides must have {LEAST_SIDE} pixels or more")


def _alex_stages() -> list[nn.Sequential]:
    """AlexNet: the first convolution has stride one and is blurred before its ReLU."""
    return [
        nn.Sequential(nn.Conv2d(3, 64, 11, padding=2), BlurPool(), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 1), BlurPool(), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 1), BlurPool(), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _vgg_stages() -> list[nn.Sequential]:
    """VGG16 up to its last ReLU."""
    stages: list[nn.Sequential] = []
    inputs = 3
    for outputs, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        parts: list[nn.Module] = [nn.MaxPool2d(2, 1), BlurPool()] if stages else []
        for _ in range(depth):
            parts += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        stages.append(nn.Sequential(*parts))
    return stages
