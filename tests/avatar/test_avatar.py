"""Avatars on disk, and the astronaut's in particular."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.errors import MediaError
from mggtalk.geometry import head_to_camera, project, rotation_to_euler
from mggtalk.nets.maps import to_colour_map
from mggtalk.pipeline import MGGTalkPipeline

SIZE = 512


def test_pieces_of_the_astronaut_fit_together(avatar: Avatar) -> None:
    points, twins = len(avatar.points), len(avatar.mirrored)
    assert points == int(avatar.mask.sum()) > 10_000
    assert avatar.colour.shape == avatar.colour_step.shape == (points, 3) and avatar.opacity.shape == (points,)
    assert len(avatar.binding.part) == points and len(avatar.mirrored_binding.part) == twins
    assert twins == 0 or int(avatar.mirrored.max()) < points
    assert len(avatar.back.means) > 100
    assert all(int((avatar.binding.part == part).sum()) > 5 for part in (Part.SKIN, Part.RIGHT_EYE, Part.LEFT_EYE))
    for entry in fields(avatar):
        value = getattr(avatar, entry.name)
        for tensor in (value,) if isinstance(value, torch.Tensor) else value or ():
            assert isinstance(tensor, str) or torch.isfinite(tensor.float()).all(), entry.name


def test_astronaut_is_measured_sensibly(avatar: Avatar) -> None:
    angles = torch.rad2deg(rotation_to_euler(avatar.rotation))
    assert angles.abs().max() < 25  # she looks into the camera
    size = avatar.points.amax(0) - avatar.points.amin(0)
    assert 1.2 < float(size[0]) < 3.0 and 1.8 < float(size[1]) < 4.0 and 0.4 < float(size[2]) < 2.5  # decimetres
    pixels = project(head_to_camera(avatar.vertices, avatar.rotation, avatar.translation), 2.5 * SIZE, (256, 256))
    assert 215 < float(pixels[:, 0].mean()) < 235 and 95 < float(pixels[:, 1].mean()) < 130


def test_points_lie_on_their_own_pixels(avatar: Avatar) -> None:
    in_camera = head_to_camera(avatar.points, avatar.rotation, avatar.translation)
    u, v = project(in_camera, 2.5 * SIZE, (256, 256)).unbind(-1)
    rows, columns = avatar.mask.nonzero().unbind(-1)
    step = float(
        (u[columns == columns.max()].mean() - u[columns == columns.min()].mean()) / (columns.max() - columns.min())
    )
    assert torch.allclose(u - u.mean(), (columns - columns.float().mean()) * step, atol=0.05)
    assert torch.allclose(v - v.mean(), (rows - rows.float().mean()) * step, atol=0.05)


def test_save_and_load_give_the_same_avatar_and_the_same_frame(
    pipeline: MGGTalkPipeline, avatar: Avatar, tmp_path: Path
) -> None:
    noted = avatar.with_(notes=("hair touches the upper edge", "second note"))
    noted.save(tmp_path / "head.safetensors")
    loaded = Avatar.load(tmp_path / "head.safetensors")
    for entry in fields(avatar):
        ours, theirs = getattr(noted, entry.name), getattr(loaded, entry.name)
        if ours is None:
            assert theirs is None, entry.name
        elif isinstance(ours, torch.Tensor):
            assert torch.equal(ours, theirs) and ours.dtype == theirs.dtype, entry.name
        elif entry.name not in ("notes", "adapter", "photos", "consent", "turning"):
            assert type(ours) is type(theirs) and all(torch.equal(a, b) for a, b in zip(ours, theirs)), entry.name
    assert loaded.notes == noted.notes
    first, second = (pipeline.animator(a, 256).frame(a.source) for a in (noted, loaded))
    assert np.array_equal(first, second)


def test_files_that_are_no_avatars_are_refused(avatar: Avatar, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="missing.safetensors"):
        Avatar.load(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("this is not an avatar")
    with pytest.raises(MediaError, match="text.safetensors"):
        Avatar.load(tmp_path / "text.safetensors")
    save_file({"x": torch.zeros(2)}, tmp_path / "old.safetensors", metadata={"format": "mggtalk-avatar-2"})
    with pytest.raises(MediaError, match="avatar-2.*Prepare the portrait again"):
        Avatar.load(tmp_path / "old.safetensors")
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(MediaError, match="not an avatar"):
        Avatar.load(tmp_path / "other.safetensors")
    avatar.save(tmp_path / "cut.safetensors")
    whole = (tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="cut.safetensors"):
        Avatar.load(tmp_path / "cut.safetensors")


def test_colours_of_the_coarse_set_are_found_once(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    side = avatar.mask.shape[0]
    kept, anew = (pipeline.animator(a, side).avatar.colour for a in (avatar, avatar.with_(coarse_colour=None)))
    assert kept is avatar.coarse_colour and torch.equal(kept, anew)
    assert 0.001 < float((kept - avatar.colour).abs().mean()) < 0.1
    assert avatar.with_(colour=avatar.colour).coarse_colour is None, "other colours, other corrections"
    assert torch.equal(pipeline.animator(avatar, 2 * side).avatar.colour, avatar.colour)


def test_places_of_the_points(avatar: Avatar) -> None:
    assert torch.equal(torch.stack(avatar.cells, dim=1), avatar.mask.nonzero())
    several = torch.stack([avatar.points, 2 * avatar.points])
    maps = avatar.position_map(several)
    assert torch.equal(maps[1], avatar.position_map(several[1])) and torch.equal(avatar.from_map(maps), several)


def test_position_map_scatters_points_to_their_pixels(avatar: Avatar) -> None:
    grid = avatar.position_map(avatar.points)
    assert grid.shape == (3, *avatar.mask.shape)
    assert torch.equal(grid[:, avatar.mask].T, avatar.points)
    assert torch.count_nonzero(grid[:, ~avatar.mask]) == 0


def test_colour_map_samples_pixel_centres() -> None:
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(8) + 0.5, torch.arange(8) + 0.5, indexing="ij")
    sampled = to_colour_map(image, torch.stack([x, y], dim=-1), 8)
    assert torch.allclose(sampled.permute(2, 0, 1), image, atol=1e-5)
    between = to_colour_map(image, torch.tensor([[4.0, 2.5]]), 8)[0]
    assert torch.allclose(between, (image[:, 2, 3] + image[:, 2, 4]) / 2, atol=1e-5)
