"""Reading and writing a pipeline's folder: ``model_index.json``, ``config.json`` and safetensors with checksums."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mggtalk.config import PipelineConfig
from mggtalk.depth.catalogue import MESH, check_choice
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.depth.load import EstimatorShelf
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.errors import WeightsMissingError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.matte import PersonMatte, save_matte
from mggtalk.face.tracker import FaceTracker
from mggtalk.inpaint.image_renderer import ImageRenderer
from mggtalk.motion.deformation import DeformationMLP
from mggtalk.nets.freeze import freeze
from mggtalk.nets.unet import ResidualUNet
from mggtalk.runtime.cache import EMBEDDED
from mggtalk.runtime.devices import check_device
from mggtalk.sgp.predictor import SymmetricGaussianPredictor
from mggtalk.speech.audio_prior import AudioPrior

logger = logging.getLogger(__name__)

INDEX = "model_index.json"

NETWORKS: dict[str, Callable[[PipelineConfig], nn.Module]] = {
    "refine": lambda config: RefineUNet(config.dsgr),
    "deformation": lambda config: DeformationMLP(config.deformation),
    "sgp": lambda config: SymmetricGaussianPredictor(config.sgp),
    "image_renderer": lambda config: ImageRenderer(config.inpaint),
}
"""The learned residuals that move and paint the head: each is built from the configuration and starts as zero."""

AUDIO_PRIOR = "audio_prior"
"""Name of the learned residual of the speech rules. It stays on the CPU, in single precision."""

ENCODED_PRIOR = "encoded_prior"
"""The same with a speech encoder, which is used where that encoder is."""

RESIDUALS: dict[str, Callable[[PipelineConfig], nn.Module]] = {
    **NETWORKS,
    AUDIO_PRIOR: lambda config: AudioPrior(config.audio_prior),
    ENCODED_PRIOR: lambda config: AudioPrior(config.encoded_prior),
}
"""All learned residuals."""


def load_components(source: str | Path | None, config: PipelineConfig | None, prior: bool) -> dict[str, Any]:
    """Components of a pipeline from a folder, a hub id or the embedded weights.

    Raises:
        WeightsMissingError: If the folder is incomplete or a checksum is wrong.
    """
    folder = EMBEDDED if source is None else _folder(source)
    index = _read_json(folder / INDEX)
    if not isinstance(index.get("files"), dict):
        raise WeightsMissingError(f"{folder / INDEX} lists no files.", "Restore the weights folder.")
    saved = config_from_dict(PipelineConfig, _read_json(folder / "config.json"))
    config = config or saved
    with torch.random.fork_rng(devices=[]):  # building networks draws random numbers: leave the caller's alone
        components: dict[str, Any] = {
            "config": config,
            "face_model": FaceModel.from_file(_checked(folder, "face_model", index), config.face_model),
            "matte": PersonMatte.from_file(_checked(folder, "matte", index)),
        }
    for name, build in RESIDUALS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = freeze(build(config))
        components[name] = network
        if name not in index["files"] or prior:
            logger.info("%s: zero residual (%s)", name, "prior asked for" if prior else "no trained weights")
            continue
        state = {key: value.float() for key, value in load_file(_checked(folder, name, index)).items()}
        parts = {key.partition(".")[0] for key in state} if isinstance(network, SymmetricGaussianPredictor) else None
        if not state or _shapes(state) != _shapes(_state(network, parts)):
            logger.warning("%s: zero residual (the weights are of configuration %r)", name, saved.name)
        else:
            network.load_state_dict(state, strict=parts is None)
    return components


def _state(network: nn.Module, parts: Collection[str] | None) -> dict[str, Tensor]:
    """Weights of a network, or of some of its modules."""
    state = network.state_dict()
    return state if parts is None else {key: value for key, value in state.items() if key.partition(".")[0] in parts}


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    """Names and shapes of weights."""
    return {key: value.shape for key, value in state.items()}


def save_components(
    folder: str | Path,
    config: PipelineConfig,
    face_model: FaceModel,
    matte: PersonMatte,
    networks: dict[str, nn.Module],
) -> None:
    """Write a folder that :func:`load_components` reads back to the same pipeline.

    Of SGP only the modules that are trained are written; if none is, it has no file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    face_model.save(folder / "face_model.safetensors")
    save_matte(matte.net, folder / "matte.safetensors")
    for name, network in networks.items():
        parts = network.trained_parts() if isinstance(network, SymmetricGaussianPredictor) else None
        state = {key: value.detach().half().contiguous().cpu() for key, value in _state(network, parts).items()}
        path = folder / f"{name}.safetensors"
        if state:
            save_file(state, path)
        else:
            path.unlink(missing_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    write_index(folder, config.name)


def write_index(folder: Path, name: str) -> None:
    """Write ``model_index.json``: the class, the configuration's name and the checksum of each weight file."""
    files = {path.stem: {"file": path.name, "sha256": sha256(path)} for path in sorted(folder.glob("*.safetensors"))}
    index = {"_class_name": "MGGTalkPipeline", "configuration": name, "files": files}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def sha256(path: Path) -> str:
    """Checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def config_from_dict(kind: type, values: dict[str, Any], default: Any = None) -> Any:
    """Read a frozen configuration from parsed JSON; unknown keys are an error.

    Args:
        kind: The configuration's class.
        values: What the file says.
        default: Gives what the file leaves out; the class's own defaults if None. Parts of a configuration have
            defaults of their own there: the audio prior that hears with an encoder is no default audio prior.

    Raises:
        WeightsMissingError: If a key is not known, which means that the file is of another version.
    """
    if not isinstance(values, dict):
        raise WeightsMissingError(
            f"The configuration has {values!r} for {kind.__name__}.", "Restore the weights folder."
        )
    known = {entry.name: entry for entry in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise WeightsMissingError(
            f"The configuration has unknown keys {', '.join(unknown)}.", "Use weights of this version of mggtalk."
        )
    default = kind() if default is None else default
    parsed = {}
    for name, value in values.items():
        current = getattr(default, name)
        parsed[name] = config_from_dict(type(current), value, current) if is_dataclass(current) else value
    return replace(default, **parsed)


def _folder(source: str | Path) -> Path:
    """A local folder, or a hub repository brought into the cache."""
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(snapshot_download(str(source)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsMissingError(
            f"{source} is no folder, and the hub gave no model of that name ({type(error).__name__}).",
            "Give a folder written by save_pretrained, or leave it out for the embedded weights.",
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsMissingError(
            f"{path} cannot be read ({type(error).__name__}).", "Restore the weights folder."
        ) from error
    if not isinstance(parsed, dict):
        raise WeightsMissingError(f"{path} holds no JSON object.", "Restore the weights folder.")
    return parsed


def _checked(folder: Path, name: str, index: dict[str, Any]) -> Path:
    """Path of a weight file whose checksum is right."""
    entry = index["files"].get(name)
    path = folder / (entry["file"] if entry else f"{name}.safetensors")
    if not entry or not path.is_file():
        raise WeightsMissingError(f"{path} is missing.", "Restore the weights folder from the repository.")
    found = sha256(path)
    if found != entry["sha256"]:
        raise WeightsMissingError(
            f"{path} has checksum {found[:12]}…, expected {entry['sha256'][:12]}….",
            "The file is damaged or a Git LFS pointer; fetch it again.",
        )
    return path


class Components:
    """What a pipeline is made of: loaded, saved, and moved to a device."""

    def __init__(  # noqa: PLR0913  # the components, by the names that model_index.json has
        self,
        config: PipelineConfig,
        face_model: FaceModel,
        matte: PersonMatte,
        refine: RefineUNet,
        deformation: DeformationMLP,
        sgp: SymmetricGaussianPredictor,
        image_renderer: ImageRenderer,
        audio_prior: AudioPrior,
        encoded_prior: AudioPrior,
        depth_estimator: DepthEstimator | str = MESH,
    ) -> None:
        self.config = config
        self.tracker = FaceTracker(config.tracker)
        self.face_model = face_model
        self.matte = matte
        self.refine = refine
        self.deformation = deformation
        self.sgp = sgp
        self.image_renderer = image_renderer
        self.audio_prior = audio_prior
        self.encoded_prior = encoded_prior
        if isinstance(depth_estimator, str):
            check_choice(depth_estimator)
        self.depth_estimator = depth_estimator
        self.estimators = EstimatorShelf()

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        config: PipelineConfig | None = None,
        prior: bool = False,
        depth_estimator: DepthEstimator | str = MESH,
    ) -> Self:
        """Load a pipeline.

        Args:
            source: Folder or hub id; the weights that come with the package by default.
            config: Replaces the saved configuration; networks of another size start untrained.
            prior: Leave all learned residuals off: the analytic reenactor alone.
            depth_estimator: What ``prepare`` uses when it is given none: a name, or an estimator.

        Returns:
            The pipeline, on the CPU. Networks without weights are zero-initialised residuals, and are named in the log.

        Raises:
            WeightsMissingError: If the face model or the matte is missing, or a checksum is wrong.
        """
        return cls(depth_estimator=depth_estimator, **load_components(source, config, prior))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write configuration, index and all weights (safetensors, half precision) into a folder."""
        save_components(
            folder, self.config, self.face_model, self.matte, {name: getattr(self, name) for name in RESIDUALS}
        )

    def to(self, device: torch.device | str, precision: torch.dtype = torch.float32) -> Self:
        """Move the networks to a device; frames are then made there. Tracking and ``prepare`` stay on the CPU.

        Args:
            device: Such as ``"cuda"``.
            precision: Of the UNets' weights, where the work is: ``torch.bfloat16`` is fast on a GPU and enough for
                residuals. Geometry and splats stay in single precision.

        Returns:
            This pipeline.

        Raises:
            OptionError: If the device is not there.
        """
        place = check_device(device)
        for name in NETWORKS:
            network = getattr(self, name).to(place)
            for module in network.modules():
                if isinstance(module, ResidualUNet):
                    module.to(precision)
        return self

    @property
    def trained(self) -> bool:
        """Whether any learned residual is not identically zero."""
        networks = [getattr(self, name) for name in NETWORKS]
        parts = [part for network in networks for part in network.modules() if hasattr(part, "untrained")]
        return any(not part.untrained for part in parts)

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return next(self.sgp.parameters()).device
