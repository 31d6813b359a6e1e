"""The person matte: network, weights file, clean-up and upsampling."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from mggtalk.config import MatteConfig
from mggtalk.errors import MediaError, WeightsMissingError
from mggtalk.face.matte import MatteNet, PersonMatte, keep_person, load_matte, save_matte, upsample_matte

WEIGHTS = Path(__file__).parents[2] / "weights" / "matte.safetensors"
FACE = (170.0, 70.0, 275.0, 185.0)  # of the astronaut


@pytest.fixture(scope="module")
def matte() -> PersonMatte:
    return PersonMatte.from_file(WEIGHTS)


def disc(side: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    """Soft-edged disc [side, side]; centre as (row, column) over the side."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return np.clip((radius - distance) * side + 0.5, 0, 1).astype(np.float32)


def test_network_shapes_and_budget() -> None:
    net = MatteNet(MatteConfig()).eval()
    assert 150_000 <= sum(p.numel() for p in net.parameters()) <= 300_000
    with torch.inference_mode():
        assert net(torch.rand(2, 3, 96, 128)).shape == (2, 1, 96, 128)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    net = MatteNet(MatteConfig(size=64, width=8)).train()
    net(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


def test_weights_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = MatteNet(MatteConfig(size=64, width=8)).eval()
    save_matte(net, tmp_path / "net.safetensors")
    again = load_matte(tmp_path / "net.safetensors")
    assert again.config == net.config
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again(image), net(image), atol=5e-3, rtol=5e-3)


def test_missing_or_broken_weights_are_explained(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="train_matte"):
        load_matte(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(WeightsMissingError, match="no person matte"):
        load_matte(tmp_path / "broken.safetensors")


def test_astronaut(matte: PersonMatte) -> None:
    alpha = matte(astronaut(), FACE)
    assert alpha.shape == (512, 512) and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1
    assert alpha[110:150, 200:245].min() > 0.95  # face
    assert alpha[250:450, 60:200].mean() > 0.95  # suit, away from the hose and the helmet on the table
    assert alpha[20:60, 330:370].mean() < 0.2  # shuttle model
    assert alpha[200:260, 450:500].mean() < 0.2  # wall on the right
    assert alpha[30:120, 5:40].mean() < 0.2  # flag, well away from the person


def test_mirrored_astronaut_agrees(matte: PersonMatte) -> None:
    image = astronaut()
    difference = np.abs(matte(image)[:, ::-1] - matte(np.ascontiguousarray(image[:, ::-1])))
    assert difference.mean() < 0.01


@pytest.mark.parametrize("size", [(301, 199), (97, 333), (1030, 771)])
def test_odd_sizes_stay(matte: PersonMatte, size: tuple[int, int]) -> None:
    image = np.asarray(Image.fromarray(astronaut()).resize(size[::-1]))
    alpha = matte(image)
    assert alpha.shape == size and np.isfinite(alpha).all()


def test_small_faces_get_a_second_look(matte: PersonMatte) -> None:
    image = np.full((900, 1200, 3), (70, 110, 90), np.uint8)
    image[600:, 450:750] = np.asarray(Image.fromarray(astronaut()).resize((300, 300)))
    x, y, scale = 450, 600, 300 / 512
    box = tuple(v * scale + (x, y)[i % 2] for i, v in enumerate(FACE))
    alpha = matte(image, box)
    assert alpha.shape == (900, 1200)
    assert alpha[y + 65 : y + 88, x + 118 : x + 143].min() > 0.95  # face
    assert alpha[:500].max() < 0.05 and alpha[:, :380].max() < 0.05  # far from the person


def test_threads_agree(matte: PersonMatte) -> None:
    images = [np.roll(astronaut(), 40 * i, axis=1) for i in range(4)]
    alone = [matte(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(matte, images))
    for one, other in zip(alone, together):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_wrong_pictures_are_refused(matte: PersonMatte) -> None:
    for wrong in (np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32), np.zeros((0, 64, 3), np.uint8)):
        with pytest.raises(MediaError, match="uint8"):
            matte(wrong)


def test_only_the_person_at_the_box_is_kept_and_holes_close() -> None:
    left, right = disc(128, (0.5, 0.25), 0.18), disc(128, (0.5, 0.75), 0.2)
    hole = disc(128, (0.5, 0.25), 0.02)
    alpha = np.maximum(left * (1 - hole), right)
    kept = keep_person(alpha, (25, 55, 40, 75))
    assert kept[64, 32] == 1.0  # the hole
    assert kept[:, 64:].max() == 0.0  # the other person
    np.testing.assert_array_equal(kept[:, :26], alpha[:, :26])  # the soft edge stays
    both = keep_person(alpha, None)
    assert both[64, 96] == 1.0 and both[64, 32] == 1.0


def test_large_holes_stay_open() -> None:
    ring = disc(128, (0.5, 0.5), 0.4) * (1 - disc(128, (0.5, 0.5), 0.2))
    assert keep_person(ring, None)[64, 64] == 0.0


def test_upsampling_sharpens_edges_and_keeps_the_coarse_matte() -> None:
    fine = disc(512, (0.5, 0.5), 0.3)
    colours = np.array([0.8, 0.5, 0.3]) * fine[..., None] + np.array([0.2, 0.3, 0.6]) * (1 - fine[..., None])
    image = (colours * 255).round().astype(np.uint8)

    def shrink(x: np.ndarray) -> np.ndarray:
        return x.reshape(128, 4, 128, 4, -1).mean((1, 3)).astype(np.float32)

    small, coarse = shrink(image / 255.0), shrink(fine)[..., 0]
    smooth = np.asarray(Image.fromarray(coarse).resize((512, 512), Image.Resampling.BILINEAR))
    sharp = upsample_matte(coarse, small, image)
    assert np.abs(sharp - fine).mean() < 0.35 * np.abs(smooth - fine).mean()
    same = upsample_matte(coarse, small, (small * 255).round().astype(np.uint8))
    np.testing.assert_allclose(same, coarse, atol=0.01)


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (301, 97, 3), dtype=np.uint8)
    small = np.asarray(Image.fromarray(image).resize((20, 64)), dtype=np.float32) / 255
    coarse = rng.random((64, 20), dtype=np.float32)
    whole = upsample_matte(coarse, small, image)
    monkeypatch.setattr("mggtalk.face.matte._STRIP_ROWS", 37)
    np.testing.assert_allclose(upsample_matte(coarse, small, image), whole, atol=1e-3)
