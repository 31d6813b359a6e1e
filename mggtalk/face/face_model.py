"""The landmark 3DMM: mean, identity and expression bases on the 478-vertex mesh.

Vertices are ``mean + identity @ identity_basis + expression @ expression_basis`` in the head frame (decimetres, see
:mod:`mggtalk.geometry`). Both sets of coefficients are in units of standard deviations, so zero is the average person
at rest: mouth closed, eyes open, looking ahead. Identity carries no size: the distance to the camera does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mggtalk.config import FaceModelConfig
from mggtalk.errors import WeightsMissingError

TENSORS = (
    "mean", "identity_basis", "expression_basis", "triangles", "mirror", "to_weights", "from_weights", "rest_weights",
)  # fmt: skip


class FaceModel(nn.Module):
    """The 3DMM and its linear maps to and from the 52 blendshape scores.

    Args:
        tensors: All of :data:`TENSORS` by name, in the shapes that stand beside the attributes.
        version: Name of the basis; coefficients of different versions do not mix.
        config: Weights of the fit.
    """

    mean: Tensor  # [478, 3]
    identity_basis: Tensor  # [I, 478, 3], one standard deviation each
    expression_basis: Tensor  # [K, 478, 3], one standard deviation each
    triangles: Tensor  # [898, 3] int64
    mirror: Tensor  # [478] int64, the mirror image of each vertex
    to_weights: Tensor  # [K, 52] from expression coefficients to blendshape scores relative to those at rest
    from_weights: Tensor  # [52, K] the other way
    rest_weights: Tensor  # [52] the tracker's typical scores of a face at rest

    def __init__(self, tensors: Mapping[str, Tensor], version: str, config: FaceModelConfig | None = None) -> None:
        super().__init__()
        for name in TENSORS:
            self.register_buffer(name, tensors[name])
        self.version = version
        self.config = config or FaceModelConfig()

    @staticmethod
    def from_file(path: str | Path, config: FaceModelConfig | None = None) -> FaceModel:
        """Load a face model.

        Raises:
            WeightsMissingError: If the file is missing or broken.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                version = (file.metadata() or {})["version"]
        except (OSError, SafetensorError, KeyError) as error:
            raise WeightsMissingError(
                f"The face model {path} cannot be read ({type(error).__name__}: {error}).",
                "Restore the weights folder from the repository.",
            ) from error
        missing = sorted(set(TENSORS) - set(tensors))
        if missing:
            raise WeightsMissingError(
                f"The face model {path} lacks {', '.join(missing)}.", "Restore the weights folder from the repository."
            )
        whole = {"triangles", "mirror"}
        parts = {name: tensors[name].long() if name in whole else tensors[name].float() for name in TENSORS}
        return FaceModel(parts, version, config)

    def save(self, path: str | Path) -> None:
        """Write the model in half precision, with a description beside it in JSON."""
        path = Path(path)
        tensors = {
            name: (value.to(torch.int16) if value.dtype == torch.int64 else value.half()).contiguous().cpu()
            for name, value in self.state_dict().items()
        }
        save_file(tensors, path, metadata={"version": self.version})
        shapes = {name: list(value.shape) for name, value in tensors.items()}
        path.with_suffix(".json").write_text(json.dumps({"version": self.version, "tensors": shapes}, indent=2) + "\n")

    def vertices(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Mesh vertices.

        Args:
            identity: ``[..., I]`` standard deviations.
            expression: ``[..., K]`` standard deviations.

        Returns:
            ``[..., 478, 3]`` in the head frame, decimetres.
        """
        shape = identity @ self.identity_basis.flatten(1) + expression @ self.expression_basis.flatten(1)  # [..., V*3]
        return self.mean + shape.unflatten(-1, self.mean.shape)

    def to_blendshapes(self, expression: Tensor) -> Tensor:
        """Expression ``[..., K]`` to blendshape scores ``[..., 52]`` relative to a face at rest; not clamped."""
        return expression @ self.to_weights

    def from_blendshapes(self, weights: Tensor) -> Tensor:
        """Blendshape weights ``[..., 52]`` relative to a face at rest to expression ``[..., K]``; zero gives zero."""
        return weights @ self.from_weights
