"""The person matte: a small UNet of our own, and its use on pictures of any size.

The network sees the picture as a square of 256 px. What it finds is cleaned there (one person, no holes) and carried to
the picture's resolution in the manner of a guided filter: in every small window alpha is taken as a linear function of
the colours, fitted at 256 px. Its slopes turn what the full picture shows beyond the small one into detail of alpha, so
that edges follow the picture and not the coarse grid.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy import ndimage
from skimage.morphology import reconstruction
from torch import Tensor, nn
from torch.nn import functional

from mggtalk.config import MatteConfig
from mggtalk.errors import MediaError, WeightsMissingError
from mggtalk.nets.freeze import freeze

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

_SMALL_FACE = 0.2  # faces under this part of the picture's longer side get a second look
_VEIL = 0.08  # alpha nearer than this to 0 or 1 is taken as such; lowest error on held-out pictures
_STRIP_ROWS = 512  # rows refined at once at full resolution; bounds the memory


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shapes allow one.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        stride: 1, or 2 to halve the resolution.
        expand: Hidden channels over input channels.
        kernel: Side of the depthwise kernel.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, expand: int = 2, kernel: int = 3) -> None:
        super().__init__()
        hidden = inputs * expand
        self.shortcut = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        y = self.body(x)  # [B, outputs, H / stride, W / stride]
        return x + y if self.shortcut else y


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class _Merge(nn.Module):
    """Double the resolution of the coarse features and join them with the skip features."""

    def __init__(self, coarse: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(coarse, skip, 1, bias=False), nn.BatchNorm2d(skip))
        self.mix = nn.Sequential(InvertedResidual(2 * skip, outputs, expand=1), InvertedResidual(outputs, outputs))

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Join [B, coarse, H, W] and [B, skip, 2H, 2W] to [B, outputs, 2H, 2W]."""
        up = functional.interpolate(self.squeeze(coarse), scale_factor=2.0, mode="bilinear")  # [B, skip, 2H, 2W]
        return self.mix(torch.cat([up, skip], dim=1))  # [B, outputs, 2H, 2W]


class MatteNet(nn.Module):
    """UNet of inverted residuals from a picture to the logits of its person matte.

    Args:
        config: Size of the input and width of the first stage.
    """

    def __init__(self, config: MatteConfig | None = None) -> None:
        super().__init__()
        self.config = config or MatteConfig()
        w = self.config.width
        self.stem = _convolution(3, w, stride=2)
        self.stage4 = nn.Sequential(_convolution(w, 2 * w, stride=2), InvertedResidual(2 * w, 2 * w))
        self.stage8 = nn.Sequential(InvertedResidual(2 * w, 3 * w, 2, 2, 5), InvertedResidual(3 * w, 3 * w, kernel=5))
        self.stage16 = nn.Sequential(InvertedResidual(3 * w, 5 * w, 2, 2, 5), InvertedResidual(5 * w, 5 * w, kernel=5))
        self.stage32 = nn.Sequential(InvertedResidual(5 * w, 6 * w, 2, 2, 5), InvertedResidual(6 * w, 6 * w, kernel=5))
        self.merge16 = _Merge(6 * w, 5 * w, 4 * w)
        self.merge8 = _Merge(4 * w, 3 * w, 3 * w)
        self.merge4 = _Merge(3 * w, 2 * w, 2 * w)
        self.merge2 = nn.Sequential(nn.Conv2d(2 * w, w, 1, bias=False), nn.BatchNorm2d(w))
        self.head = nn.Sequential(_convolution(w + 12, w), _convolution(w, w), nn.Conv2d(w, 4, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Estimate the matte.

        Args:
            image: [B, 3, S, S] RGB in [0, 1], S a multiple of 32.

        Returns:
            Logits of alpha, [B, 1, S, S]; their sigmoid is alpha.
        """
        x = image * 4.0 - 2.0  # [B, 3, S, S]
        x2 = self.stem(x)  # [B, w, S/2, S/2]
        x4 = self.stage4(x2)  # [B, 2w, S/4, S/4]
        x8 = self.stage8(x4)  # [B, 3w, S/8, S/8]
        x16 = self.stage16(x8)  # [B, 5w, S/16, S/16]
        y = self.stage32(x16)  # [B, 6w, S/32, S/32]
        y = self.merge16(y, x16)  # [B, 4w, S/16, S/16]
        y = self.merge8(y, x8)  # [B, 3w, S/8, S/8]
        y = self.merge4(y, x4)  # [B, 2w, S/4, S/4]
        y = functional.interpolate(self.merge2(y), scale_factor=2.0, mode="bilinear") + x2  # [B, w, S/2, S/2]
        colours = functional.pixel_unshuffle(x, 2)  # [B, 12, S/2, S/2]
        y = self.head(torch.cat([y, colours], dim=1))  # [B, 4, S/2, S/2]
        return functional.pixel_shuffle(y, 2)  # [B, 1, S, S]


def save_matte(net: MatteNet, path: Path | str) -> None:
    """Write a network in half precision, with its configuration in the header.

    Args:
        net: The network.
        path: The ``.safetensors`` file.
    """
    state = {
        name: value.detach().half().contiguous()
        for name, value in net.state_dict().items()
        if value.is_floating_point()
    }
    save_file(state, str(path), metadata={"matte": json.dumps(asdict(net.config))})


def load_matte(path: Path | str) -> MatteNet:
    """Read what :func:`save_matte` wrote, ready for inference.

    Args:
        path: The ``.safetensors`` file.

    Returns:
        The network in single precision and evaluation mode.

    Raises:
        WeightsMissingError: The file is not there, or is no matte network.
    """
    advice = "Get the weights again, or train them with scripts/train_matte.py."
    if not Path(path).is_file():
        raise WeightsMissingError(f"The person matte's weights are not at {path}.", advice)
    try:
        with safe_open(str(path), framework="pt") as stream:
            net = MatteNet(MatteConfig(**json.loads((stream.metadata() or {})["matte"])))
            state = {name: stream.get_tensor(name).float() for name in stream.keys()}  # noqa: SIM118  no mapping
        counters = {name: v for name, v in net.state_dict().items() if not v.is_floating_point()}
        net.load_state_dict(state | counters)
    except (SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise WeightsMissingError(f"{path} holds no person matte network ({error}).", advice) from error
    return freeze(net)


class PersonMatte:
    """Person mattes of pictures of any size. Holds no state between calls, so threads may share one.

    Args:
        net: The network; it is put into evaluation mode.
    """

    def __init__(self, net: MatteNet) -> None:
        self.net = net.eval()

    @classmethod
    def from_file(cls, path: Path | str) -> PersonMatte:
        """Load the weights written by :func:`save_matte`.

        Raises:
            WeightsMissingError: The file is not there, or is no matte network.
        """
        return cls(load_matte(path))

    def around(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Alpha ``[H, W]`` of the person whose face is there.

        Args:
            picture: uint8 ``[H, W, 3]``.
            landmarks: The person's face ``[478, 2 or 3]`` in pixels.
        """
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)  # [2]
        return self(picture, box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])))

    def __call__(self, image: NDArray[np.uint8], box: Box | None = None) -> NDArray[np.float32]:
        """Estimate how much of each pixel is person.

        Args:
            image: RGB picture, [H, W, 3] uint8.
            box: Face of the person to keep, in pixels; without it every person found is kept. Around a face that is
                small in the picture, the network looks a second time, at the head and shoulders alone.

        Returns:
            Alpha in [0, 1], [H, W] float32.

        Raises:
            MediaError: The picture has another shape or type.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            problem = f"The picture has shape {image.shape} and type {image.dtype}."
            raise MediaError(problem, "Give an RGB picture of shape [H, W, 3] and type uint8.")
        alpha = self._find(image, box)
        face = 0.0 if box is None else max(box[2] - box[0], box[3] - box[1], 1.0)
        if box is not None and face < _SMALL_FACE * max(image.shape[:2]):
            rows, down = _span(box[1] - face, 4 * face, image.shape[0])
            columns, across = _span((box[0] + box[2]) / 2 - 2 * face, 4 * face, image.shape[1])
            x, y = columns.start, rows.start
            near = self._find(image[rows, columns], (box[0] - x, box[1] - y, box[2] - x, box[3] - y))
            alpha[rows, columns] += np.outer(down, across) * (near - alpha[rows, columns])
        return alpha

    def _find(self, image: NDArray[np.uint8], box: Box | None) -> NDArray[np.float32]:
        """Alpha [H, W] of the person at the box, from one look at the picture."""
        small, alpha = self._coarse(image)
        x, y = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
        alpha = keep_person(alpha, None if box is None else (box[0] * x, box[1] * y, box[2] * x, box[3] * y))
        return upsample_matte(alpha, small, image)

    @torch.inference_mode()
    def _coarse(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The picture [h, w, 3] in [0, 1] and its alpha [h, w], the longer side as the network's.

        The network sees the picture and its mirror image; their mean is the better matte.
        """
        size = self.net.config.size
        scale = size / max(image.shape[:2])
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        colours = np.asarray(small, dtype=np.float32) / 255.0  # [h, w, 3]
        top, left = (size - height) // 2, (size - width) // 2
        rows, columns = (top, size - height - top), (left, size - width - left)
        square = torch.from_numpy(np.pad(colours, (rows, columns, (0, 0)), mode="edge"))  # [S, S, 3]
        batch = torch.stack([square, square.flip(1)]).permute(0, 3, 1, 2)  # [2, 3, S, S], channels last in memory
        plain, mirrored = self.net(batch)[:, 0]  # both [S, S]
        alpha = ((plain + mirrored.flip(1)) / 2).sigmoid().numpy()  # [S, S]
        alpha = np.clip((alpha - _VEIL) / (1 - 2 * _VEIL), 0, 1)
        return colours, alpha[top : top + height, left : left + width]


def _span(first: float, extent: float, length: int) -> tuple[slice, NDArray[np.float32]]:
    """Part of an axis of the picture, with weights [n] that fade out towards those ends that lie in the picture."""
    low = min(max(0, round(first)), length - 1)
    high = max(min(length, round(first + extent)), low + 1)
    at = np.arange(low, high, dtype=np.float32) + 0.5  # [n]
    weight = np.ones_like(at)
    if low > 0:
        weight = np.minimum(weight, (at - low) / (0.08 * extent))
    if high < length:
        weight = np.minimum(weight, (high - at) / (0.08 * extent))
    return slice(low, high), weight


def keep_person(
    alpha: NDArray[np.float32], box: Box | None, reach: float = 12.0, largest_hole: float = 0.02
) -> NDArray[np.float32]:
    """Keep the person at the face box, remove what hangs loose, and close small holes.

    Args:
        alpha: Coarse alpha, [h, w].
        box: Face in pixels of ``alpha``, or None for every person.
        reach: Farthest that soft alpha (hair) may lie from the solid person, pixels.
        largest_hole: Holes up to this part of the person's area are closed, and all weak spots; larger holes stay.

    Returns:
        Cleaned alpha, [h, w]. Where nothing solid lies in the box, all persons are kept.
    """
    labels, count = ndimage.label(alpha > 0.5)
    if count == 0:
        return alpha
    solid = labels > 0
    distance, (rows, columns) = ndimage.distance_transform_edt(~solid, return_indices=True)
    person = np.ones(count + 1, dtype=bool)
    if box is not None:
        left, top, right, bottom = (max(0, round(v)) for v in box)
        inside = np.bincount(labels[top : bottom + 1, left : right + 1].ravel(), minlength=count + 1)[1:]
        if inside.any():
            person[1:] = np.arange(count) == inside.argmax()
    owner = labels[rows, columns]  # [h, w]: the solid part that each pixel is nearest to
    kept = np.where(person[owner] & (distance <= reach), alpha, 0.0)
    seed = np.full_like(kept, kept.max())
    seed[[0, -1]], seed[:, [0, -1]] = kept[[0, -1]], kept[:, [0, -1]]
    filled = reconstruction(seed, kept, method="erosion")  # [h, w]: hollows raised to the lowest pass out of them
    hollows, found = ndimage.label(filled - kept > 0.01)
    small = np.bincount(hollows.ravel()) <= largest_hole * (solid & person[labels]).sum()
    faint = np.asarray(ndimage.minimum(kept, hollows, np.arange(found + 1))) > 0.25  # a weak spot, no hole
    closed = (small | faint) & (np.arange(found + 1) > 0)
    return np.where(closed[hollows], filled, kept).astype(np.float32)


def upsample_matte(
    alpha: NDArray[np.float32],
    small: NDArray[np.float32],
    image: NDArray[np.uint8],
    radius: int = 3,
    epsilon: float = 1e-3,
) -> NDArray[np.float32]:
    """Carry a coarse matte to the picture's resolution along the picture's edges.

    Args:
        alpha: Coarse alpha, [h, w].
        small: The picture at that resolution, [h, w, 3] in [0, 1].
        image: The full picture, [H, W, 3] uint8.
        radius: Half side of the windows, pixels of the coarse grid.
        epsilon: Variance of colour under which a window counts as flat.

    Returns:
        Alpha in [0, 1], [H, W].
    """
    coarse = np.concatenate([alpha[..., None], small, _slopes(alpha, small, radius, epsilon)], axis=2)  # [h, w, 7]
    channels = [Image.fromarray(np.ascontiguousarray(coarse[..., i])) for i in range(7)]
    height, width = image.shape[:2]
    rows = coarse.shape[0] / height  # coarse rows per fine row
    fine = np.empty((height, width), dtype=np.float32)
    for first in range(0, height, _STRIP_ROWS):
        last = min(first + _STRIP_ROWS, height)
        area = (0.0, first * rows, coarse.shape[1], last * rows)
        strips = [
            np.asarray(channel.resize((width, last - first), Image.Resampling.BILINEAR, box=area))
            for channel in channels
        ]  # 7 of [n, W]
        picture = image[first:last] / np.float32(255.0)  # [n, W, 3]
        fine[first:last] = strips[0] + sum((picture[..., i] - strips[1 + i]) * strips[4 + i] for i in range(3))
    return np.clip(fine, 0.0, 1.0)


def _slopes(alpha: NDArray[np.float32], small: NDArray[np.float32], radius: int, epsilon: float) -> NDArray[np.float32]:
    """Slopes of alpha over the colours in windows, by ridge regression, averaged: [h, w, 3]."""
    window = 2 * radius + 1

    def mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return ndimage.uniform_filter(x, size=(window, window) + (0,) * (x.ndim - 2), mode="nearest")

    colour = mean(small)  # [h, w, 3]
    products = (small[..., :, None] * small[..., None, :]).reshape(*alpha.shape, 9)  # [h, w, 9]
    variance = mean(products).reshape(*alpha.shape, 3, 3) - colour[..., :, None] * colour[..., None, :]
    covariance = mean(small * alpha[..., None]) - colour * mean(alpha)[..., None]  # [h, w, 3]
    edge = np.abs(covariance).max(axis=2) > 1e-5  # [h, w]; elsewhere alpha does not change
    slopes = np.zeros_like(small)  # [h, w, 3]
    ridge = variance[edge] + epsilon * np.eye(3, dtype=np.float32)  # [n, 3, 3]
    slopes[edge] = np.linalg.solve(ridge, covariance[edge][..., None])[..., 0]
    return mean(slopes)
