"""What the doctor says about models that are here, missing and damaged."""

from __future__ import annotations

import json
import shutil

import pytest

from mggtalk.cli import doctor
from mggtalk.cli.doctor import report
from mggtalk.cli.parser import main
from mggtalk.depth import catalogue
from mggtalk.evaluation.identity import SFACE
from mggtalk.runtime.cache import EMBEDDED


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has fetched nothing."""
    monkeypatch.setattr(catalogue, "cached", lambda source: None)


def line_of(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.split()[1:2] == [name]]
    return found.strip()


def test_the_command_lists_every_model_and_how_to_get_it(capfd) -> None:
    assert main(("doctor",)) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "torch" in lines[0] and "CUDA GPU" in lines[0]
    for name in ("face_model", "matte", "landmarks", "mesh"):
        assert line_of(lines, name).startswith("ok")
    for name in catalogue.CATALOGUE:
        line = line_of(lines, name)
        assert line.startswith("missing") and line.endswith(f"python -m mggtalk doctor --fetch {name}")
    assert "5.0 GB" in line_of(lines, "geowizard")


def test_missing_and_damaged_weights_are_told_apart(tmp_path) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "weights")
    (tmp_path / "weights" / "matte.safetensors").write_bytes(b"version https://git-lfs")
    (tmp_path / "weights" / "face_model.safetensors").unlink()
    lines = report(tmp_path / "weights")
    assert "damaged" in line_of(lines, "matte") and line_of(lines, "matte").startswith("missing")
    assert "not there" in line_of(lines, "face_model")
    (tmp_path / "weights" / "model_index.json").write_text(json.dumps({}))
    assert line_of(report(tmp_path / "weights"), "matte").startswith("missing")


def test_there_is_nothing_to_fetch_for_the_mesh(capfd) -> None:
    assert main(("doctor", "--fetch", "mesh")) == 2
    assert "embedded" in capfd.readouterr().err
    assert main(("doctor", "--fetch", "banana")) == 2


def test_networks_of_metrics_are_looked_for_in_the_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path)
    assert "--metrics csim fetches it" in line_of(report(), "csim")
    (tmp_path / SFACE.kept_as).write_bytes(b"weights")
    lines = report()
    assert line_of(lines, "csim").startswith("ok") and line_of(lines, "fid").startswith("missing")
