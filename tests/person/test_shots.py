"""Shots of a clip that show somebody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.media import VideoWriter
from mggtalk.person.shots import own_shots
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion
from tests.unmarked import UNMARKED

ROOT = Path(__file__).parents[2]
SIDE = 320


@pytest.fixture(scope="module")
def film(pipeline: MGGTalkPipeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Motion]:
    """Kofi, then Nora, then Kofi again, a little brighter; and what a tracker makes of it."""
    kofi, nora = (
        np.asarray(Image.open(ROOT / "examples" / "portraits" / f"{name}.jpg").resize((SIDE, SIDE)))
        for name in ("kofi", "nora")
    )
    again = np.clip(kofi * 1.1, 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("shots") / "film.mp4"
    points = []
    with VideoWriter(path, SIDE, SIDE, 25, **UNMARKED) as writer:
        for picture, count in ((kofi, 6), (nora, 4), (again, 3)):
            points += [pipeline.tracker.still(picture).landmarks[0]] * count
            for _ in range(count):
                writer.write(picture)
    motion = Motion(
        expression=torch.zeros(13, len(pipeline.face_model.expression_basis)),
        rotation=torch.eye(3).expand(13, 3, 3),
        translation=torch.tensor((0.0, 0.0, 10.0)).expand(13, 3),
        fps=25.0,
        face_model=pipeline.face_model.version,
        focal_ratio=2.5,
        landmarks=torch.from_numpy(np.stack(points)),
        frame_size=(SIDE, SIDE),
        found=torch.ones(13, dtype=torch.bool),
        cuts=(6, 10),
    )
    return path, motion


def test_shots_of_somebody_else_are_left_out_and_it_is_said(
    pipeline: MGGTalkPipeline, film: tuple[Path, Motion]
) -> None:
    own, (note,) = own_shots(pipeline, *film)
    assert own.tolist() == [True] * 6 + [False] * 4 + [True] * 3
    assert note == "The clip is cut at 0.2, 0.4 s; 0.2 s that seem to show somebody else are left out."


def test_a_clip_without_cuts_is_not_even_read(pipeline: MGGTalkPipeline, film: tuple[Path, Motion]) -> None:
    own, notes = own_shots(pipeline, "no such clip.mp4", film[1].with_(cuts=()))
    assert own.all() and notes == ()
