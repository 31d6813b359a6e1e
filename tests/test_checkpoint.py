"""A pipeline's folder: round trips, and damage of every kind."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.checkpoint import INDEX, NETWORKS, config_from_dict, write_index
from mggtalk.config import PipelineConfig, SGPConfig, paper, tiny
from mggtalk.errors import WeightsMissingError
from mggtalk.pipeline import MGGTalkPipeline


@pytest.fixture(scope="module")
def saved(pipeline: MGGTalkPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder written by ``save_pretrained``. Tests copy it before they damage it."""
    folder = tmp_path_factory.mktemp("weights") / "pipeline"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_round_trip_gives_the_same_frame(pipeline: MGGTalkPipeline, avatar: Avatar, saved: Path) -> None:
    again = MGGTalkPipeline.from_pretrained(saved)
    assert again.config == pipeline.config
    assert again.face_model.version == pipeline.face_model.version
    for name in NETWORKS:
        ours, theirs = getattr(pipeline, name).state_dict(), getattr(again, name).state_dict()
        assert ours.keys() == theirs.keys()
        off = () if pipeline.config.sgp.sym_decoder else ("sym_decoder.",)  # what is switched off is not saved
        kept = [key for key in ours if not key.startswith(off)]
        assert all(torch.allclose(ours[key], theirs[key], rtol=2e-3, atol=1e-4) for key in kept), name
    first, second = (p.animator(avatar, 256).frame(avatar.source) for p in (pipeline, again))
    assert np.abs(first.astype(int) - second.astype(int)).max() <= 1
    assert not any(p.requires_grad for name in NETWORKS for p in getattr(again, name).parameters())


def test_saving_twice_is_exact(saved: Path, tmp_path: Path) -> None:
    MGGTalkPipeline.from_pretrained(saved).save_pretrained(tmp_path / "twice")
    files = [json.loads((path / INDEX).read_text())["files"] for path in (saved, tmp_path / "twice")]
    for name in NETWORKS:
        assert files[0][name]["sha256"] == files[1][name]["sha256"], name


def test_index_lists_every_file_and_has_the_class(saved: Path) -> None:
    index = json.loads((saved / INDEX).read_text())
    assert index["_class_name"] == "MGGTalkPipeline" and index["configuration"] == "tiny"
    assert {"face_model", "matte", *NETWORKS} <= set(index["files"])
    assert all((saved / entry["file"]).is_file() for entry in index["files"].values())
    assert sum(path.stat().st_size for path in saved.iterdir()) <= 25e6


@pytest.mark.parametrize("name", ["matte", "face_model", "refine", "sgp"])
def test_a_flipped_bit_is_found(folder: Path, name: str) -> None:
    path = folder / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsMissingError, match=f"{name}.*checksum"):
        MGGTalkPipeline.from_pretrained(folder)


def test_a_pointer_in_place_of_a_file_is_named(folder: Path) -> None:
    (folder / "matte.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(WeightsMissingError, match="LFS"):
        MGGTalkPipeline.from_pretrained(folder)


@pytest.mark.parametrize("name", ["matte.safetensors", "face_model.safetensors", INDEX, "config.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsMissingError, match=name):
        MGGTalkPipeline.from_pretrained(folder)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[]", b'{"files": 3}'])
@pytest.mark.parametrize("name", [INDEX, "config.json"])
def test_a_damaged_index_or_configuration_is_a_plain_error(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(WeightsMissingError):
        MGGTalkPipeline.from_pretrained(folder)


def test_a_folder_that_is_none_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="nowhere"):
        MGGTalkPipeline.from_pretrained(str(tmp_path / "nowhere"))


def test_networks_without_weights_start_as_zero(folder: Path) -> None:
    for name in NETWORKS:
        (folder / f"{name}.safetensors").unlink()
    write_index(folder, "tiny")
    pipe = MGGTalkPipeline.from_pretrained(folder)
    assert pipe.refine.untrained and pipe.deformation.untrained and pipe.image_renderer.untrained
    assert pipe.sgp.decoder.untrained and pipe.sgp.sym_decoder.untrained and pipe.sgp.densify.untrained


def test_a_file_of_sgp_holds_what_is_trained(folder: Path) -> None:
    pipe = MGGTalkPipeline.from_pretrained(folder, prior=True)
    pipe.save_pretrained(folder)
    assert not (folder / "sgp.safetensors").exists()
    assert MGGTalkPipeline.from_pretrained(folder).sgp.mouth_decoder.untrained
    with torch.no_grad():
        pipe.sgp.mouth_decoder.unet.last.bias.fill_(0.25)
    pipe.save_pretrained(folder)
    again = MGGTalkPipeline.from_pretrained(folder)
    assert torch.equal(again.sgp.mouth_decoder.unet.last.bias, pipe.sgp.mouth_decoder.unet.last.bias)
    assert again.sgp.decoder.untrained
    small = (folder / "sgp.safetensors").stat().st_size
    with torch.no_grad():
        pipe.sgp.densify.last.bias.fill_(0.25)
    pipe.save_pretrained(folder)
    assert not MGGTalkPipeline.from_pretrained(folder).sgp.densify.untrained
    assert (folder / "sgp.safetensors").stat().st_size > small


def test_prior_leaves_trained_networks_off(folder: Path) -> None:
    pipe = MGGTalkPipeline.from_pretrained(folder)
    with torch.no_grad():
        pipe.deformation.last.weight.fill_(0.25)
        pipe.image_renderer.unet.last.bias.fill_(0.5)
    pipe.save_pretrained(folder)
    trained = MGGTalkPipeline.from_pretrained(folder)
    assert torch.equal(trained.deformation.last.weight, pipe.deformation.last.weight)
    assert not trained.image_renderer.untrained
    prior = MGGTalkPipeline.from_pretrained(folder, prior=True)
    assert prior.deformation.untrained and prior.image_renderer.untrained


def test_another_size_starts_untrained_and_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    smaller = PipelineConfig(name="small", sgp=SGPConfig(features=8, encoder_width=8, decoder_width=8, mouth_width=8))
    pipe = MGGTalkPipeline.from_pretrained(folder, config=smaller)
    assert pipe.config == smaller and pipe.sgp.mouth_decoder.untrained
    assert any("sgp" in record.getMessage() for record in caplog.records)


def test_loading_leaves_the_random_numbers_alone(saved: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    MGGTalkPipeline.from_pretrained(saved)
    assert torch.equal(torch.rand(3), expected)


def test_new_networks_are_the_same_every_time() -> None:
    first, second = (MGGTalkPipeline.from_pretrained(prior=True).sgp.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("config", [tiny(), paper()])
def test_configuration_survives_json(config: PipelineConfig) -> None:
    assert config_from_dict(PipelineConfig, json.loads(json.dumps(asdict(config)))) == config


def test_keys_that_a_part_leaves_out_take_the_defaults_of_that_part() -> None:
    found = config_from_dict(PipelineConfig, {"encoded_prior": {"taps": 7}})
    assert found.encoded_prior == replace(PipelineConfig().encoded_prior, taps=7)
    assert found.encoded_prior.encoder, "a prior that hears with an encoder must not lose it"


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(WeightsMissingError, match="flavour"):
        config_from_dict(PipelineConfig, {"sgp": {"flavour": 3}})
