"""Estimators by name: what is ready, what is missing, what is refused, and no heavy import before one is asked for."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from mggtalk.depth import catalogue
from mggtalk.depth.catalogue import CATALOGUE, NAMES, check_choice, describe, split_choice, status
from mggtalk.depth.fusion import FusedDepthEstimator
from mggtalk.depth.load import EstimatorShelf, load_estimator
from mggtalk.depth.mesh import MeshDepthEstimator
from mggtalk.errors import OptionError, PackageMissingError, WeightsMissingError


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has fetched nothing."""
    monkeypatch.setattr(catalogue, "cached", lambda source: None)


def test_every_estimator_of_the_issue_has_a_name() -> None:
    assert NAMES[0] == "mesh"
    expected = "geowizard geowizard-v2 marigold depth-anything depth-anything-v2 dpt zoedepth depth-pro tipsv2 sapiens2"
    assert set(NAMES[1:]) == set(expected.split())
    assert CATALOGUE["geowizard"].sources[0].repo == "lemonaddie/Geowizard"
    assert 4.9e9 < CATALOGUE["geowizard"].size < 5.1e9


def test_choices_are_names_or_names_with_a_folder(tmp_path) -> None:
    assert split_choice("mesh") == ("mesh", None)
    assert split_choice(f"dpt={tmp_path}") == ("dpt", tmp_path)
    for wrong in ("banana", "", "mesh=here", "banana=here"):
        with pytest.raises(OptionError, match="depth estimator"):
            split_choice(wrong)
    with pytest.raises(WeightsMissingError, match="nowhere"):
        check_choice(f"geowizard={tmp_path / 'nowhere'}")
    with pytest.raises(WeightsMissingError, match="'unet'"):
        load_estimator(f"geowizard={tmp_path}")
    with pytest.raises(WeightsMissingError, match="config.json"):
        load_estimator(f"dpt={tmp_path}")
    with pytest.raises(WeightsMissingError, match="no pipeline"):
        load_estimator(f"marigold={tmp_path}")


def test_damaged_weights_are_told_in_one_line(geowizard_folder, tmp_path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    with pytest.raises(WeightsMissingError, match="cannot be loaded") as error:
        load_estimator(f"geowizard={tmp_path}")
    assert "\n" not in str(error.value)


def test_status_states_size_and_the_command_that_fetches(monkeypatch, tmp_path) -> None:
    assert status("mesh").ready
    found = status("geowizard")
    assert not found.ready and "doctor --fetch geowizard" in found.missing
    assert "5.0 GB to download" in describe(found)
    monkeypatch.setattr(catalogue, "cached", lambda source: tmp_path)
    assert status("geowizard").ready and status("geowizard").where == (tmp_path,)
    assert "ready" in describe(status("marigold"))


def test_a_missing_package_is_named_and_the_mesh_still_works(monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "diffusers" else find(name))
    with pytest.raises(PackageMissingError, match="pip install diffusers"):
        check_choice("geowizard")
    assert "pip install diffusers" in status("geowizard").missing
    check_choice("dpt")
    assert isinstance(load_estimator("mesh"), MeshDepthEstimator)


def test_the_shelf_keeps_the_last_estimator_and_loading_says_nothing(geowizard_folder, capfd) -> None:
    shelf = EstimatorShelf()
    capfd.readouterr()
    first = shelf.get(f"geowizard={geowizard_folder}")
    assert capfd.readouterr().err == ""
    assert isinstance(first, FusedDepthEstimator) and first.name == "geowizard"
    assert shelf.get(f"geowizard={geowizard_folder}") is first
    assert shelf.get("mesh") is not first
    assert shelf.get(f"geowizard={geowizard_folder}") is not first


def test_the_pipeline_imports_neither_diffusers_nor_transformers() -> None:
    script = "import sys, json, mggtalk.pipeline, mggtalk.cli.doctor; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"diffusers", "transformers", "accelerate", "torchvision", "cv2"}


def test_a_portrait_is_prepared_with_geowizard_and_noise_does_not_break_the_face(
    pipeline, avatar, astronaut, geowizard_folder
) -> None:
    """Random weights see nothing: the fusion must find out, and leave the face as the mesh has it."""
    from mggtalk.depth.geowizard import GeoWizard, GeoWizardConfig, load_geowizard

    wizard = GeoWizard(load_geowizard((geowizard_folder,)), GeoWizardConfig(steps=1, ensemble=1, resolution=64))
    stages = []
    made = pipeline.prepare(
        astronaut, "none", on_progress=lambda stage, *_: stages.append(stage), depth=FusedDepthEstimator(wizard)
    )
    assert stages.count("depth") >= 2
    assert torch.equal(made.mask, avatar.mask)
    moved = (made.points - avatar.points).norm(dim=-1)
    assert float(moved.max()) < 0.05, "decimetres"
    assert np.isfinite(made.points.numpy()).all()
