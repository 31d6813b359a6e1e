"""Both Marigold pipelines, tiny and random, through the real loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from mggtalk.depth.marigold import load_marigold


def test_depth_and_normals_of_the_pictures_size_from_one_folder_or_two(marigold_folder: Path) -> None:
    picture = np.random.default_rng(0).random((48, 48, 3), dtype=np.float32)
    reports = []
    marigold = load_marigold((marigold_folder,))
    estimate = marigold(picture, lambda *report: reports.append(report))
    assert estimate.depth.shape == (48, 48) and 0.0 <= estimate.depth.min() <= estimate.depth.max() <= 1.0
    assert estimate.normals.shape == (3, 48, 48)
    assert np.allclose(np.linalg.norm(estimate.normals, axis=0), 1.0, atol=0.02)
    assert not estimate.disparity and estimate.signs_known
    assert reports[0] == ("depth", 0, 2) and reports[-1] == ("depth", 2, 2)
    again = load_marigold((marigold_folder / "depth", marigold_folder / "normals"))(picture)
    assert np.array_equal(again.depth, estimate.depth) and np.array_equal(again.normals, estimate.normals)
