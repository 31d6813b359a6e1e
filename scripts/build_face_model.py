"""Build the landmark 3DMM from tracked clips and portraits.

Every frame is lifted to 3D and aligned to the mean face by the vertices that hardly move with the expression. Within a
clip the shape is regressed on the 52 blendshape scores; what the scores say is taken off, which leaves the person at
rest: the identity. Identity basis: principal components of the people at rest. Expression basis: principal components
of the deviations from them, lips, lids and irises counting most. Both with mirrored copies.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import EXPRESSION_COMPONENTS, FaceModelConfig, RenderConfig
from mggtalk.face import blendshapes, topology
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import camera_points, lift, pose_weights, similarity
from mggtalk.geometry import FLIP
from mggtalk.scene import FaceTrack

logger = logging.getLogger("build_face_model")

MAX_FRAMES = 240  # of a clip; more would let the long clips dominate
MAX_TURN = 0.7  # radians of yaw; beyond it the far side of the mesh is guesswork
RIDGE = 3.0  # of the regressions between scores and shapes, in units of a clip's frames
LID_GAP_CLOSED = 0.03  # lid gap at eyeBlink = 1, over the gap at rest
LIP_GAP_CLOSED = 0.004  # decimetres between the middles of the inner lips of a closed mouth, as tracked
LIP_GAP_SMALL = 0.12  # decimetres; lips nearer than that tell how a mouth closes
UPPER_LIP, LOWER_LIP = 13, 14
LIDS = {"eyeBlinkRight": (159, 145), "eyeBlinkLeft": (386, 374)}
SCORE_RIDGE = 3.0  # of the effect of single scores; shrinks those that hardly ever rise
GAZE = tuple(name for name in blendshapes.NAMES if name.startswith("eyeLook"))


class Clip(NamedTuple):
    """The frames of one person."""

    shapes: Tensor  # [T, 478, 3] aligned head-frame vertices
    scores: Tensor  # [T, 52]


def load_clips(folder: Path, names: list[str]) -> list[FaceTrack]:
    """Tracks written by ``track_clips.py``, evenly thinned out."""
    tracks = []
    for name in names:
        path = folder / f"{name}.npz"
        if not path.exists():
            logger.warning("%s is missing", path)
            continue
        data = np.load(path)
        frames = np.flatnonzero(data["found"])
        frames = frames[np.linspace(0, len(frames) - 1, min(len(frames), MAX_FRAMES)).round().astype(int)]
        tracks.append(
            FaceTrack(
                data["landmarks"][frames],
                data["blendshapes"][frames],
                np.ones(len(frames), bool),
                float(data["fps"]),
                int(data["width"]),
                int(data["height"]),
            )  # fmt: skip
        )
    return tracks


def load_portraits(path: Path, side: int) -> list[FaceTrack]:
    """Tracks of square stills, one frame each, from one file."""
    data = np.load(path)
    rows = zip(data["landmarks"].astype(np.float32), data["blendshapes"].astype(np.float32))
    return [
        FaceTrack(points[None], scores[None], np.ones(1, bool), 25.0, side, side)
        for points, scores in rows
        if np.isfinite(points).all()
    ]


def align(tracks: list[FaceTrack], focal_ratio: float, reference: Tensor) -> list[Clip]:
    """Lift the tracks and align every frame to the reference ``[478, 3]``; strongly turned frames are left out."""
    flip, weights = torch.tensor(FLIP), pose_weights()
    clips = []
    for track in tracks:
        points = camera_points(lift(track, focal_ratio)) * flip  # [T, V, 3]
        scale, rotation, offset = similarity(points, reference, weights)
        aligned = scale[:, None, None] * points @ rotation.mT + offset[:, None]  # [T, V, 3]
        yaw = torch.asin(rotation[:, 2, 0].clamp(-1, 1)).abs()  # [T]
        keep = yaw < MAX_TURN
        if keep.any():
            clips.append(Clip(aligned[keep], torch.from_numpy(track.blendshapes.astype(np.float32))[keep]))
    return clips


def mirrored(clips: list[Clip]) -> list[Clip]:
    """Mirror images of the clips."""
    mirror = torch.from_numpy(topology.mirror_permutation().copy())
    flip = torch.tensor([-1.0, 1.0, 1.0])
    return [Clip(clip.shapes[:, mirror] * flip, clip.scores[:, list(blendshapes.MIRROR)]) for clip in clips]


def reference_shape(tracks: list[FaceTrack], focal_ratio: float) -> Tensor:
    """Symmetric mean ``[478, 3]`` of everyone, upright as the canonical mesh and of its size."""
    mesh = torch.from_numpy(topology.canonical_mesh()[0].copy()) / 10.0  # [468, 3] decimetres
    reference = torch.cat([mesh, mesh.new_zeros(10, 3)])  # the irises have no weight in the alignment
    for _ in range(4):
        clips = align(tracks, focal_ratio, reference)
        means = torch.stack([clip.shapes.mean(0) for clip in clips + mirrored(clips)])  # [2C, V, 3]
        mean = means.mean(0)
        weights = pose_weights()
        weights[topology.MESH_VERTICES :] = 0
        scale, rotation, offset = similarity(mean, torch.cat([mesh, mesh.new_zeros(10, 3)]), weights / weights.sum())
        reference = scale * mean @ rotation.mT + offset
    return reference


def score_regression(clips: list[Clip], rest: Tensor) -> tuple[Tensor, Tensor]:
    """Linear effect of the scores on the shape, from variation within clips.

    Returns:
        ``[52, V * 3]`` and each clip's shape at rest ``[C, V, 3]``.
    """
    count = len(blendshapes.NAMES)
    gram, right = torch.zeros(count, count), torch.zeros(count, topology.VERTICES * 3)
    for clip in clips:
        scores = clip.scores - clip.scores.mean(0)
        shapes = (clip.shapes - clip.shapes.mean(0)).flatten(1)  # [T, V*3]
        gram += scores.T @ scores
        right += scores.T @ shapes
    effect = torch.linalg.solve(gram + RIDGE * torch.eye(count), right)  # [52, V*3]
    neutral = []
    for clip in clips:
        offsets = clip.scores - rest  # [T, 52]
        calm = torch.topk(offsets.square().sum(1), max(1, len(offsets) // 4), largest=False).indices
        shape = clip.shapes[calm].flatten(1) - offsets[calm] @ effect  # [t, V*3]
        neutral.append(shape.mean(0).unflatten(0, (-1, 3)))
    return effect, torch.stack(neutral)


def middle_gap(shapes: Tensor) -> Tensor:
    """Distance between the middles of the inner lips, ``[..., 478, 3]`` to ``[...]`` decimetres."""
    return (shapes[..., UPPER_LIP, :] - shapes[..., LOWER_LIP, :]).norm(dim=-1)


def lip_closing(clips: list[Clip]) -> Tensor:
    """How the face ``[V, 3]`` moves per decimetre of lip gap, from frames with lips close to each other.

    The scores stop falling before the lips touch, so that faces extrapolated to zero scores are slightly open.
    """
    top, bottom = torch.zeros(topology.VERTICES, 3), torch.zeros(())
    for clip in clips:
        gap = middle_gap(clip.shapes)
        near = gap < LIP_GAP_SMALL
        if near.sum() < 10:
            continue
        gap = gap[near] - gap[near].mean()  # [t]
        shapes = clip.shapes[near] - clip.shapes[near].mean(0)
        top += torch.einsum("t,tvi->vi", gap, shapes)
        bottom += gap.square().sum()
    return top / bottom


def close_lips(shapes: Tensor, closing: Tensor) -> Tensor:
    """Close the mouths of faces at rest ``[P, V, 3]``."""
    return shapes - (middle_gap(shapes) - LIP_GAP_CLOSED)[:, None, None] * closing


def score_effects(clips: list[Clip], mean: Tensor) -> Tensor:
    """What each score alone does to the shape, ``[52, V, 3]``.

    Scores of the two eyes, and of eyes and mouth, rise together; a plain regression would let one eye's score open the
    other eye. So the upper part of each half of the face is regressed on its own side's scores, the lower part on those
    of the mouth, with soft seams.
    """
    upper_names = ("eye", "brow", "cheekSquint", "noseSneer")
    upper = [name.startswith(upper_names) for name in blendshapes.NAMES]
    right = [flag and not name.endswith("Left") for flag, name in zip(upper, blendshapes.NAMES)]
    left = [flag and not name.endswith("Right") for flag, name in zip(upper, blendshapes.NAMES)]
    mouth = [not flag and name != "_neutral" for flag, name in zip(upper, blendshapes.NAMES)]
    scores = torch.cat([clip.scores - clip.scores.mean(0) for clip in clips])  # [S, 52]
    shapes = torch.cat([(clip.shapes - clip.shapes.mean(0)).flatten(1) for clip in clips])  # [S, V*3]
    weights = torch.cat([torch.full((len(clip.shapes),), len(clip.shapes) ** -0.5) for clip in clips])  # [S]
    eye_level, nose_level = float(mean[[*topology.RIGHT_EYE, *topology.LEFT_EYE], 1].min()), float(mean[1, 1])
    above = ((mean[:, 1] - nose_level) / (eye_level - nose_level)).clamp(0, 1)  # [V] 1 at the eyes, 0 under the nose
    side = (mean[:, 0] / 0.2 + 0.5).clamp(0, 1)  # [V] 0 on the subject's right, 1 on the left
    effects = torch.zeros(len(blendshapes.NAMES), topology.VERTICES, 3)
    for chosen, mask in ((right, above * (1 - side)), (left, above * side), (mouth, 1 - above)):
        index = [number for number, flag in enumerate(chosen) if flag]
        part = ridge_map(scores[:, index], shapes, weights, SCORE_RIDGE).unflatten(1, (-1, 3))  # [n, V, 3]
        effects[index] += part * mask[:, None]
    return effects


def rest_scores(clips: list[Clip]) -> Tensor:
    """Typical scores of a face at rest ``[52]``: the median person's low values, level gaze, the same on both sides."""
    low = torch.stack([clip.scores.quantile(0.15, dim=0) for clip in clips if len(clip.scores) > 20])  # [C, 52]
    rest = low.median(0).values
    middle = torch.stack([clip.scores.median(0).values for clip in clips if len(clip.scores) > 20]).median(0).values
    gaze = [blendshapes.INDEX[name] for name in GAZE]
    rest[gaze] = middle[gaze]
    return (rest + rest[list(blendshapes.MIRROR)]) / 2


def principal_components(samples: Tensor, weights: Tensor, importance: Tensor, count: int) -> Tensor:
    """Principal components in a weighted norm, scaled to one standard deviation.

    Args:
        samples: ``[S, V, 3]`` deviations.
        weights: ``[S]`` of the samples.
        importance: ``[V, 3]``, weights of the squared coordinates.
        count: How many components.

    Returns:
        ``[count, V, 3]``.
    """
    root = importance.sqrt()
    rows = (samples * root).flatten(1) * (weights / weights.sum()).sqrt()[:, None]  # [S, V*3]
    values, vectors = torch.linalg.eigh(rows.T @ rows)
    values, vectors = values.flip(0)[:count].clamp_min(0), vectors.flip(1)[:, :count]
    logger.info("variance kept by %d components: %.4f", count, float(values.sum() / rows.square().sum()))
    return (vectors * values.sqrt()).T.unflatten(1, samples.shape[1:]) / root  # [count, V, 3]


def importance() -> Tensor:
    """Weights of the squared coordinates ``[478, 3]`` in the bases: more for small parts, less for the tracker's z."""
    weights = torch.ones(topology.VERTICES)
    weights[list(topology.FACE_OVAL)] = 0.3
    weights[[*topology.RIGHT_BROW, *topology.LEFT_BROW]] = 2.0
    weights[list(topology.LIPS)] = 5.0
    weights[[*topology.RIGHT_EYE, *topology.LEFT_EYE]] = 12.0
    weights[[*topology.RIGHT_IRIS, *topology.LEFT_IRIS]] = 12.0
    return weights[:, None] * torch.tensor([1.0, 1.0, 0.25])


def expression_coefficients(deviations: Tensor, basis: Tensor, weight: float) -> Tensor:
    """Ridge regression of deviations ``[S, V, 3]`` on the expression basis: ``[S, K]``."""
    weights = importance() / (importance().sum() / 3 * 0.01**2)
    weighted = (basis * weights).flatten(1)  # [K, V*3]
    matrix = weighted @ basis.flatten(1).T + weight * torch.eye(len(basis))
    return torch.linalg.solve(matrix, weighted @ deviations.flatten(1).T).T  # [S, K]


def ridge_map(inputs: Tensor, outputs: Tensor, weights: Tensor, strength: float) -> Tensor:
    """Linear map ``[I, O]`` from inputs to outputs by weighted ridge regression, without a constant."""
    weighted = inputs * weights[:, None]
    return torch.linalg.solve(weighted.T @ inputs + strength * torch.eye(inputs.shape[1]), weighted.T @ outputs)


def close_lids(from_weights: Tensor, mean: Tensor, basis: Tensor) -> Tensor:
    """Scale the blink rows so that a full blink leaves the lids nearly closed.

    The tracker's own score of a closed eye stays well under 1, so a plain regression overshoots there.
    """
    scaled = from_weights.clone()
    for name, (upper, lower) in LIDS.items():
        row = from_weights[blendshapes.INDEX[name]]
        move = (row @ basis.flatten(1)).unflatten(0, (-1, 3))  # [V, 3]
        open_gap = mean[upper, 1] - mean[lower, 1]
        closing = move[lower, 1] - move[upper, 1]
        factor = (1 - LID_GAP_CLOSED) * open_gap / closing
        logger.info("%s: gap %.4f dm, a full blink closed %.4f, scaled by %.2f", name, open_gap, closing, factor)
        scaled[blendshapes.INDEX[name]] = row * factor
    return scaled


def build(clip_tracks: list[FaceTrack], portraits: list[FaceTrack], config: FaceModelConfig) -> FaceModel:
    """The face model of the given tracks."""
    focal_ratio = RenderConfig().focal_ratio
    reference = reference_shape(clip_tracks + portraits, focal_ratio)
    clips = align(clip_tracks, focal_ratio, reference)
    clips += mirrored(clips)
    stills = align(portraits, focal_ratio, reference)
    stills += mirrored(stills)
    rest = rest_scores(clips)
    effect, neutral = score_regression(clips, rest)
    still_shapes = torch.cat([clip.shapes for clip in stills])
    still_offsets = torch.cat([clip.scores for clip in stills]) - rest
    still_neutral = still_shapes - (still_offsets @ effect).unflatten(1, (-1, 3))
    closing = lip_closing(clips)
    neutral, still_neutral = close_lips(neutral, closing), close_lips(still_neutral, closing)
    people = torch.cat([neutral, still_neutral])  # [P, V, 3]
    mean = people.mean(0)
    even = torch.ones(topology.VERTICES, 1) * torch.tensor([1.0, 1.0, 0.5])
    identity_basis = principal_components(people - mean, torch.ones(len(people)), even, config.identity_components)

    deviations = torch.cat([clip.shapes - rest_shape for clip, rest_shape in zip(clips, neutral)])  # [S, V, 3]
    weights = torch.cat([torch.full((len(clip.shapes),), len(clip.shapes) ** -0.5) for clip in clips])  # [S]
    expression_basis = principal_components(deviations, weights, importance(), EXPRESSION_COMPONENTS)

    coefficients = expression_coefficients(deviations, expression_basis, config.expression_weight)  # [S, K]
    scores = torch.cat([clip.scores for clip in clips]) - rest  # [S, 52]
    to_weights = ridge_map(coefficients, scores, weights, 1.0)
    effects = score_effects(clips, mean)
    from_weights = expression_coefficients(effects, expression_basis, 1e-3)
    from_weights = close_lids(from_weights, mean, expression_basis)
    digest = hashlib.sha256(mean.numpy().tobytes() + expression_basis.numpy().tobytes()).hexdigest()[:8]
    tensors = {
        "mean": mean,
        "identity_basis": identity_basis,
        "expression_basis": expression_basis,
        "triangles": torch.from_numpy(topology.triangles().copy()),
        "mirror": torch.from_numpy(topology.mirror_permutation().copy()),
        "to_weights": to_weights,
        "from_weights": from_weights,
        "rest_weights": rest,
    }
    return FaceModel(tensors, f"landmark-{digest}", config)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of tracks written by track_clips.py")
    parser.add_argument("--table", type=Path, required=True, help="clips.csv with the columns clip and split")
    parser.add_argument("--portraits", type=Path, required=True, help="npz with landmarks and blendshapes of stills")
    parser.add_argument("--side", type=int, default=512, help="side of the stills in pixels")
    parser.add_argument("--out", type=Path, default=Path("weights/face_model.safetensors"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    with arguments.table.open() as file:
        names = [row["clip"].removesuffix(".mp4") for row in csv.DictReader(file) if row["split"] == "train"]
    model = build(
        load_clips(arguments.clips, names), load_portraits(arguments.portraits, arguments.side), FaceModelConfig()
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    model.save(arguments.out)
    logger.info("%s: version %s, %d bytes", arguments.out, model.version, arguments.out.stat().st_size)


if __name__ == "__main__":
    main()
