"""One step's pictures for the image network: a function of the step alone, so that runs can resume."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.inpaint.image_renderer import EXPRESSION, Layers
from mggtalk.training.config import TrainConfig
from mggtalk.training.data.augment import ColourJitter
from mggtalk.training.image.shards import Region, Shard


class ImageSample(NamedTuple):
    """B whole pictures, as the network sees them when it is used; some may be the next frames of others."""

    layers: Layers
    real: Tensor  # [B, 3, S, S]
    windows: Tensor  # int64 [B, 2] first row and column of the crop that the dear losses see
    before: Tensor  # [N, 2] neighbouring frames: which follows which, (earlier, later)
    number: int  # of the draw
    name: str  # of the clips


class ImageSamples:
    """Draws pictures, and a crop of each.

    Args:
        shards: Of all clips.
        face_model: Whose expressions they have.
        config: Of the training.

    Raises:
        OptionError: If there are no pairs, or the pictures are smaller than a crop.
    """

    def __init__(self, shards: list[Shard], face_model: FaceModel, config: TrainConfig) -> None:
        self.shards = [shard for shard in shards if shard.count]
        if not self.shards:
            raise OptionError("There are no pairs to train on.", "Give a corpus with clips of several frames.")
        if self.shards[0].side < config.completion.crop:
            raise OptionError(f"The crops are {config.completion.crop} pixels.", f"Give {self.shards[0].side} or less.")
        self.config = config
        self.mirror = mirror_change(face_model)
        self._regions = lru_cache(maxsize=64)(lambda place: self.shards[place].regions())
        self._neighbours = lru_cache(maxsize=None)(lambda place: self.shards[place].neighbours())

    def draw(self, index: int) -> ImageSample:
        """The sample of one index, always the same.

        Args:
            index: Step times the number of processes, plus the process.
        """
        config = self.config.completion
        generator = torch.Generator().manual_seed(hash((self.config.seed, index)) % 2**62)
        pictures: list[tuple[Layers, Tensor]] = []
        windows: list[tuple[int, int]] = []
        before: list[tuple[int, int]] = []
        names: list[str] = []
        while len(pictures) < config.batch:
            place = _integer(len(self.shards), generator)
            shard, pair = self.shards[place], _integer(self.shards[place].count, generator)
            following = int(self._neighbours(place)[pair])
            both = following >= 0 and len(before) < config.neighbours and len(pictures) + 1 < config.batch
            mirrored = self._chance(generator) < config.mirror
            regions = self._regions(place)[pair]  # [S, S]
            window = self._window(regions.flip(-1) if mirrored else regions, generator)
            jitter = ColourJitter.draw(generator, self.config.colour)
            if both:
                before.append((len(pictures), len(pictures) + 1))
            for chosen in (pair, following) if both else (pair,):
                layers, real = shard.read(chosen)
                composite, real = jitter.of(layers.composite, 1), jitter.of(real, 1)
                layers = layers._replace(composite=composite)
                pictures.append(self._mirrored(layers, real) if mirrored else (layers, real))
                windows.append(window)
            names.append(shard.name)
        layers = Layers(*(torch.cat(parts) for parts in zip(*(picture[0] for picture in pictures))))
        noise = config.noise * torch.randn(len(layers.change), EXPRESSION, generator=generator)
        layers.change[:, :EXPRESSION] += noise
        real = torch.cat([picture[1] for picture in pictures])  # [B, 3, S, S]
        neighbours = torch.tensor(before).reshape(-1, 2)
        return ImageSample(layers, real, torch.tensor(windows), neighbours, index, " ".join(names))

    def _window(self, regions: Tensor, generator: torch.Generator) -> tuple[int, int]:
        """Corner of a crop whose middle, as far as the border allows, lies in a region that is drawn first."""
        config = self.config.completion
        chance, part = self._chance(generator), self._chance(generator)
        if chance < config.outline:
            region = Region.NECK if part < 0.4 else Region.OUTLINE
        else:
            region = Region.INNER if part < 0.3 else Region.FACE
        found = (regions == region).flatten().nonzero()[:, 0]
        side = len(regions)
        place = int(found[_integer(len(found), generator)]) if len(found) else _integer(side * side, generator)
        row, column = (min(max(middle - config.crop // 2, 0), side - config.crop) for middle in divmod(place, side))
        return row, column

    def _mirrored(self, layers: Layers, real: Tensor) -> tuple[Layers, Tensor]:
        """The mirror image of a picture."""
        pictures = (layers.composite.flip(-1), layers.alpha.flip(-1))
        return Layers(*pictures, layers.gate, layers.change @ self.mirror), real.flip(-1)

    @staticmethod
    def _chance(generator: torch.Generator) -> float:
        """A number in [0, 1)."""
        return float(torch.rand((), generator=generator))


def mirror_change(face_model: FaceModel) -> Tensor:
    """Matrix ``M [CHANGE, CHANGE]`` that takes a change (a row) to that of the mirror image, ``c M``.

    The expression basis is closed under mirroring: the mirror image of a component is a combination of components.
    """
    basis = face_model.expression_basis.double()  # [K, V, 3]; in single precision the last bits depend on the threads
    mirrored = basis[:, face_model.mirror] * basis.new_tensor((-1.0, 1.0, 1.0))
    expression = torch.linalg.lstsq(basis.flatten(1).T, mirrored.flatten(1).T).solution.T  # [K, K]
    pose = torch.tensor(
        (1.0, -1.0, -1.0) * 2 + (-1.0, 1.0, 1.0)
    )  # pitch stays, yaw and roll turn round; x of the shift
    return torch.block_diag(expression.float(), pose.diag())


def _integer(count: int, generator: torch.Generator) -> int:
    """A number from 0 to ``count - 1``."""
    return int(torch.randint(count, (), generator=generator))
