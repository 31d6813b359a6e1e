"""Depth estimators, loaded by name."""

from __future__ import annotations

import threading

import torch

from mggtalk.depth.catalogue import CATALOGUE, MESH, check_choice, download, split_choice
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.depth.fusion import FusedDepthEstimator
from mggtalk.depth.mesh import MeshDepthEstimator
from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.runtime.quiet import quiet_loggers


def load_estimator(
    choice: str, device: torch.device | str = "cpu", on_progress: Progress = no_progress
) -> DepthEstimator:
    """Load an estimator by name.

    Args:
        choice: A name of :data:`NAMES`, or ``NAME=FOLDER`` for weights in a folder.
        device: Where a network runs.
        on_progress: Called with ``download``, megabytes done and in all.

    Returns:
        The estimator.

    Raises:
        OptionError: If there is no such estimator.
        PackageMissingError: If a package is missing.
        WeightsMissingError: If the weights are missing or broken.
    """
    check_choice(choice)
    name, folder = split_choice(choice)
    if name == MESH:
        return MeshDepthEstimator()
    folders = (folder,) if folder is not None else download(name, on_progress)
    try:
        with quiet_loggers():
            return FusedDepthEstimator(CATALOGUE[name].load(folders, torch.device(device)))
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, WeightsMissingError):
            raise
        raise WeightsMissingError(
            f"The weights of {name!r} in {', '.join(map(str, folders))} cannot be loaded: {_first_line(error)}",
            f"Fetch them again with 'python -m mggtalk doctor --fetch {name}'.",
        ) from error


class EstimatorShelf:
    """Keeps the estimator that was used last, so that a second portrait need not load it. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[tuple[str, str], DepthEstimator] | None = None

    def get(
        self, choice: str, device: torch.device | str = "cpu", on_progress: Progress = no_progress
    ) -> DepthEstimator:
        """The estimator of a choice; see :func:`load_estimator`."""
        key = (choice, str(device))
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = None  # before the next is loaded: two do not fit
                self._kept = (key, load_estimator(choice, device, on_progress))
            return self._kept[1]


def _first_line(error: Exception) -> str:
    """The start of a library's message."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160] if str(error).strip() else ''}"
