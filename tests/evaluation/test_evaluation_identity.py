"""Identity: where an aligned face lies, and the network's form and weights."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mggtalk.evaluation.identity import (
    MOUTH_LEFT,
    MOUTH_RIGHT,
    NOSE,
    SIDE,
    TEMPLATE,
    SFace,
    _weights,
    align,
    csim,
    five_points,
    similarity,
)
from mggtalk.face.topology import LEFT_EYE, RIGHT_EYE

TURN = np.array([[1.2, -0.5], [0.5, 1.2]])  # a rotation with a scale of 1.3
SHIFT = np.array([40.0, 12.0])


def landmarks_at(points):
    """Landmarks whose eyes, nose and mouth are at five points."""
    landmarks = np.zeros((478, 3))
    for rim, place in zip((RIGHT_EYE, LEFT_EYE, (NOSE,), (MOUTH_RIGHT,), (MOUTH_LEFT,)), points):
        angle = 2 * np.pi * np.arange(len(rim)) / len(rim)
        landmarks[list(rim), :2] = place + np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (len(rim) > 1)
    return landmarks


@pytest.fixture(scope="module")
def network():
    """Random, with layers that keep the size of what passes."""
    torch.manual_seed(0)
    network = SFace()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network


def test_similarity_finds_rotation_scale_and_shift():
    start = np.random.default_rng(0).normal(size=(5, 2)) * 20
    found = similarity(start, start @ TURN.T + SHIFT)
    np.testing.assert_allclose(found, np.column_stack([TURN, SHIFT]), atol=1e-9)


def test_similarity_does_not_mirror_or_stretch():
    start = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    turn = similarity(start, start * (-1.0, 3.0))[:, :2]
    np.testing.assert_allclose(turn @ turn.T, np.eye(2) * np.linalg.det(turn), atol=1e-12)
    assert np.linalg.det(turn) > 0


def test_the_template_lies_where_the_points_of_the_face_are():
    template = np.array(TEMPLATE) + 0.5  # pixel centres at +0.5
    places = template @ TURN.T + SHIFT
    np.testing.assert_allclose(five_points(landmarks_at(places)), places, atol=1e-9)
    axis = np.arange(256)
    frame = np.stack([*np.meshgrid(axis, axis), np.full((256, 256), 9)], axis=-1).astype(np.uint8)  # its own x, y
    face = align(frame, landmarks_at(places))
    assert face.shape == (3, SIDE, SIDE)
    centres = np.array([[20.5, 30.5], [56.5, 80.5], [90.5, 40.5]])
    seen = np.array([face[:2, int(y), int(x)].numpy() for x, y in centres])
    np.testing.assert_allclose(seen + 0.5, centres @ TURN.T + SHIFT, atol=1e-3)
    assert face[2].max() == 9.0


def test_outside_the_frame_is_black():
    frame = np.full((64, 64, 3), 200, np.uint8)
    face = align(frame, landmarks_at(np.array(TEMPLATE) + 0.5 - (0.0, 60.0)))
    assert face[:, :50].max() == 0.0 and face[:, 80:100, 2:60].min() > 199.9


def test_embeddings_have_unit_length_and_do_not_depend_on_their_neighbours(network, monkeypatch):
    monkeypatch.setattr("mggtalk.evaluation.identity.BATCH", 2)
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    points = np.broadcast_to(landmarks_at(np.array(TEMPLATE) + 0.5), (3, 478, 3))
    directions = network.embed(frames, points)
    assert directions.shape == (3, 128)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(network.embed(frames[1:], points[1:])[0], directions[1], atol=1e-5, rtol=0)
    assert csim(directions[:1], directions[0]) == pytest.approx(1.0)
    assert csim(directions, directions[0]) < 0.99
    assert np.isnan(csim(directions[:0], directions[0]))


def test_weights_are_read_in_the_order_of_the_layers(network):
    nodes, stored = [], []
    kinds = {nn.Conv2d: "Conv", nn.PReLU: "PRelu", nn.Linear: "Gemm"}
    for number, module in enumerate(network.modules()):
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            parts = [module.weight, module.bias, module.running_mean, module.running_var]
            kind = "BatchNormalization"
        elif type(module) in kinds:
            parts, kind = list(module.parameters()), kinds[type(module)]
        else:
            continue
        names = [f"{number}_{place}" for place in range(len(parts))]
        stored += [onnx.numpy_helper.from_array(part.numpy(), name) for part, name in zip(parts, names)]
        nodes.append(onnx.helper.make_node(kind, ["before", *names], ["after"]))
    content = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], stored)).SerializeToString()
    read = SFace()
    read.load_state_dict(_weights(content))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value, atol=0, rtol=0)
