"""Things to try: files of this project, which stay where they are and belong to no visitor."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gradio as gr

FOLDER = Path(__file__).resolve().parent.parent / "examples"


class Examples(NamedTuple):
    """Paths in the folder of the examples, in order of their names."""

    portraits: tuple[str, ...]
    motions: tuple[str, ...]
    speech: tuple[str, ...]
    sample: str  # a finished video; empty if there is none


def collect() -> Examples:
    """Put the examples together, and let the page serve their folder as it is.

    Gradio would copy them into its cache, where the first visitor who leaves would take them along.

    Returns:
        Their paths.
    """
    gr.set_static_paths([FOLDER])
    return Examples(_found("portraits/*.jpg"), _found("*.npz"), _found("*.flac"), next(iter(_found("sample.mp4")), ""))


def is_example(path: str | Path) -> bool:
    """Whether a file is one of the examples."""
    return Path(path).resolve().is_relative_to(FOLDER)


def title(path: str) -> str:
    """The title of an example: its name without ending and underscores, with a capital."""
    return Path(path).stem.replace("_", " ").capitalize()


def _found(pattern: str) -> tuple[str, ...]:
    return tuple(str(path) for path in sorted(FOLDER.glob(pattern)))
