"""Weights on the hub: told before they are fetched, found when they are there, one line when they cannot be had."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from mggtalk.cli.parser import main
from mggtalk.depth import hub
from mggtalk.depth.hub import Source, cached, complete, fetch, readable
from mggtalk.errors import WeightsMissingError

SOURCES = (Source("one/model", ("config.json", "weights*.bin"), 30), Source("other/model", ("config.json",), 10))


class TinyHub:
    """Stands for the hub and its cache: two repositories of a few bytes."""

    def __init__(self, folder: Path, online: bool = True) -> None:
        self.folder, self.online, self.asked = folder, online, []

    def __call__(self, repo, allow_patterns, local_files_only=False, dry_run=False, tqdm_class=None, **unused):
        self.asked.append((repo, local_files_only, dry_run))
        folder = self.folder / repo
        if local_files_only:
            if not folder.exists():
                raise LocalEntryNotFoundError("not cached")
            return str(folder)
        if not self.online:
            raise OSError("Name or service not known")
        if dry_run:
            return [SimpleNamespace(file_size=4_000_000, will_download=True)]
        folder.mkdir(parents=True)
        bar = tqdm_class(total=0, unit="B")
        for name in ("config.json", "weights-1.bin"):
            (folder / name).write_text("x")
            bar.update(2_000_000)
        tqdm_class(total=2, unit="it").update(1)
        return str(folder)


def test_a_download_is_told_with_its_size_before_it_starts_and_reports_megabytes(monkeypatch, tmp_path) -> None:
    tiny = TinyHub(tmp_path)
    monkeypatch.setattr(hub, "snapshot_download", tiny)
    told, reports = [], []

    def announce(line: str) -> None:
        told.append((line, [path.name for path in tmp_path.iterdir()]))

    folders = fetch("tiny", SOURCES, lambda *report: reports.append(report), announce)
    assert folders == (tmp_path / "one/model", tmp_path / "other/model")
    ((line, files_then),) = told
    assert "one/model and other/model" in line and "8 MB" in line and files_then == []
    assert reports == [("download", done, 8) for done in (2, 4, 6, 8)]
    tiny.online = False
    assert fetch("tiny", SOURCES, announce=announce) == folders and len(told) == 1


def test_a_part_of_the_files_is_not_enough(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(hub, "snapshot_download", TinyHub(tmp_path))
    (tmp_path / "one/model").mkdir(parents=True)
    (tmp_path / "one/model/config.json").write_text("x")
    assert cached(SOURCES[0]) is None
    (tmp_path / "one/model/weights.bin").write_text("x")
    assert cached(SOURCES[0]) == tmp_path / "one/model"
    assert not complete(tmp_path, ("deep/*.bin",))


def test_offline_names_model_size_and_command(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(hub, "snapshot_download", TinyHub(tmp_path, online=False))
    with pytest.raises(WeightsMissingError) as error:
        fetch("tiny", (Source("one/model", ("x",), 5_000_000_000),))
    text = str(error.value)
    assert "'tiny' (one/model, 5.0 GB)" in text and "doctor --fetch tiny" in text and "cannot be reached" in text


def test_a_full_disk_is_told_before_the_download(monkeypatch, tmp_path) -> None:
    tiny = TinyHub(tmp_path)
    monkeypatch.setattr(hub, "snapshot_download", tiny)
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda place: SimpleNamespace(free=1_000_000))
    with pytest.raises(WeightsMissingError, match="needs 8 MB, and .* has 1 MB free"):
        fetch("tiny", SOURCES)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["orbit", "doctor"])
def test_the_command_line_fails_offline_in_one_line(command, monkeypatch, tmp_path, capfd, astronaut) -> None:
    from PIL import Image

    monkeypatch.setattr(hub, "snapshot_download", TinyHub(tmp_path / "hub", online=False))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(astronaut).save("portrait.png")
    orbit = ("orbit", "--portrait", "portrait.png", "--out", "out.mp4", "--depth", "geowizard")
    assert main(orbit if command == "orbit" else ("doctor", "--fetch", "geowizard")) == 2
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    for part in ("'geowizard'", "lemonaddie/Geowizard", "5.0 GB", "python -m mggtalk doctor --fetch geowizard"):
        assert part in captured.err
    assert not (tmp_path / "out.mp4").exists()


def test_sizes_in_words() -> None:
    assert [readable(size) for size in (4_995_466_227, 99_200_000, 12_300)] == ["5.0 GB", "99 MB", "12 kB"]
