"""Splat files, and turning Gaussians."""

from dataclasses import replace

import numpy as np
import plyfile
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mggtalk.errors import MediaError
from mggtalk.geometry import euler_to_rotation, quaternion_to_rotation
from mggtalk.render import load_ply, rasterize, save_ply, transform_gaussians

angle = st.floats(-3.0, 3.0)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(pitch=st.floats(-1.5, 1.5), yaw=angle, roll=angle)
def test_a_turned_camera_sees_turned_gaussians_alike(scene, pitch, yaw, roll):
    gaussians, camera = scene()
    rotation = euler_to_rotation(torch.tensor([pitch, yaw, roll], dtype=torch.float64))
    inverse = torch.eye(4, dtype=torch.float64)
    inverse[:3, :3] = rotation.T
    turned = rasterize(transform_gaussians(gaussians, rotation), replace(camera, view=camera.view @ inverse))
    torch.testing.assert_close(turned.image, rasterize(gaussians, camera).image, atol=1e-9, rtol=0)


def test_round_trip(scene, tmp_path):
    gaussians, camera = scene(dtype=torch.float32)
    save_ply(gaussians, tmp_path / "head.ply")
    loaded = load_ply(tmp_path / "head.ply")
    for name in ("means", "scales", "opacities", "harmonics"):
        torch.testing.assert_close(getattr(loaded, name), getattr(gaussians, name), atol=1e-5, rtol=1e-5)
    rotations = [quaternion_to_rotation(one.quaternions) for one in (loaded, gaussians)]
    torch.testing.assert_close(*rotations, atol=1e-5, rtol=0)
    torch.testing.assert_close(rasterize(loaded, camera).image, rasterize(gaussians, camera).image, atol=1e-4, rtol=0)


def test_layout_of_the_file(scene, tmp_path):
    gaussians, _ = scene()
    gaussians.save_ply(str(tmp_path / "head.ply"))
    header = (tmp_path / "head.ply").read_bytes()[:600].decode("latin-1")
    assert header.startswith("ply\nformat binary_little_endian 1.0\ncomment AI-made with MGGTalk ")
    assert "\nelement vertex 60\nproperty float x\n" in header
    vertex = plyfile.PlyData.read(tmp_path / "head.ply")["vertex"].data
    first, tail = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2", "opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    rest = [f"f_rest_{k}" for k in range(9)]
    assert list(vertex.dtype.names) == first.split() + rest + tail.split()
    means, harmonics = gaussians.means.numpy(), gaussians.harmonics.numpy()
    assert np.allclose(vertex["x"], means[:, 0]) and np.allclose(vertex["y"], -means[:, 1])  # y is down in the file
    assert np.allclose(vertex["z"], -means[:, 2])  # and the face looks to -z, where viewers start
    assert np.allclose(vertex["f_dc_1"], harmonics[:, 0, 1])
    assert np.allclose(vertex["f_rest_4"], -harmonics[:, 2, 1])  # green, second of degree 1: z, turned
    assert np.allclose(vertex["scale_2"], np.log(gaussians.scales[:, 2].numpy()))
    assert np.allclose(1 / (1 + np.exp(-vertex["opacity"])), gaussians.opacities.numpy(), atol=1e-6)


def test_extremes_stay_finite_and_bad_ones_are_left_out(scene, tmp_path):
    gaussians, _ = scene()
    gaussians.opacities[0], gaussians.opacities[1] = 0.0, 1.0
    gaussians.means[2] = torch.nan
    save_ply(gaussians, tmp_path / "head.ply")
    loaded = load_ply(tmp_path / "head.ply")
    assert len(loaded.means) == 59 and all(tensor.isfinite().all() for tensor in loaded)
    torch.testing.assert_close(loaded.opacities[:2], torch.tensor([0.0, 1.0]), atol=2e-6, rtol=0)


def test_files_that_are_not_splats(tmp_path):
    (tmp_path / "text.ply").write_text("hello")
    with pytest.raises(MediaError, match="cannot be read"):
        load_ply(tmp_path / "text.ply")
    with pytest.raises(MediaError, match="cannot be read"):
        load_ply(tmp_path / "missing.ply")
    cloud = plyfile.PlyElement.describe(np.zeros(2, [("x", "f4"), ("y", "f4"), ("z", "f4")]), "vertex")
    plyfile.PlyData([cloud]).write(str(tmp_path / "cloud.ply"))
    with pytest.raises(MediaError, match="no property f_dc_0"):
        load_ply(tmp_path / "cloud.ply")


def test_a_place_that_cannot_be_written(scene, tmp_path):
    with pytest.raises(MediaError, match="cannot be written"):
        save_ply(scene()[0], tmp_path / "no" / "such" / "folder.ply")
