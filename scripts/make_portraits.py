"""Make the example portraits: people who do not exist, each from the faces of several.

The face is averaged over three people in its landmarks and in its pixels, and set into the hair, neck and clothes of
one more by gradient blending (Pérez et al., Poisson image editing). A plain average of whole pictures ghosts the hair.

The pictures are those of the Face Research Lab London Set (DeBruine & Jones, 2017,
https://doi.org/10.6084/m9.figshare.5047666, CC BY 4.0), cropped to 512 pixels::

    python scripts/make_portraits.py ../shared/data examples/portraits
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, sparse
from scipy.interpolate import LinearNDInterpolator
from scipy.sparse.linalg import spsolve
from skimage.transform import SimilarityTransform

from mggtalk.face.tracker import FaceTracker
from mggtalk.media import load_image
from mggtalk.media.provenance import mark_exif
from mggtalk.pipeline import MGGTalkPipeline

SIZE = 512

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Landmarks of the face's outline, in order."""

FINE = 2.0
"""Pixels under which detail (pores, lashes) comes from one person: the average of three has none."""

INSET = 0.10
"""Part of the face's width by which the blended region stays inside its outline."""

MARK = "Example portrait of MGGTalk: a person who does not exist, averaged from the London Set (CC BY 4.0)"
"""What the pictures say about themselves."""


class Recipe(NamedTuple):
    """One portrait, by the numbers of people in the London Set."""

    hair: str  # whose hair, neck and clothes
    faces: tuple[str, ...]  # whose faces are averaged
    smile: bool = False  # with teeth


RECIPES = {
    "amara": Recipe("103", ("130", "151", "109")),
    "hugo": Recipe("118", ("203", "164", "127")),
    "kofi": Recipe("149", ("133", "153", "114")),
    "mei": Recipe("123", ("162", "201", "196"), smile=True),
    "nora": Recipe("139", ("138", "124", "193")),
    "tomas": Recipe("143", ("152", "137", "125")),
}
"""Numbers of the neutral pictures of ``shared/data/portraits``."""


class Person(NamedTuple):
    """One picture with its landmarks."""

    image: np.ndarray  # float [H, W, 3] in [0, 1]
    points: np.ndarray  # float [478, 2] pixels


def average(base: Person, others: list[Person]) -> np.ndarray:
    """Set the mean face of others into a base.

    Args:
        base: Gives everything but the face.
        others: Whose faces are averaged.

    Returns:
        float ``[H, W, 3]`` in [0, 1].
    """
    aligned = [_align(person.points, base.points) for person in others]
    mean = np.mean(aligned, axis=0)  # [478, 2]
    goal = base.points + (mean - base.points) * _inside(base.points)[:, None]  # [478, 2]
    faces = [_warp(person.image, person.points, goal) for person in others]
    face = np.mean(faces, axis=0)  # [H, W, 3]
    blur = lambda image: ndimage.gaussian_filter(image, (FINE, FINE, 0))  # noqa: E731
    face = blur(face) + (faces[0] - blur(faces[0]))
    ground = _warp(base.image, base.points, goal)
    return blend(face, ground, _region(goal))


def blend(face: np.ndarray, ground: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Solve ``laplace(f) = laplace(face)`` inside a region, ``f = ground`` on its border.

    Args:
        face: float ``[H, W, 3]``.
        ground: float ``[H, W, 3]``.
        region: bool ``[H, W]``, away from the picture's border.
    """
    number = -np.ones(region.shape, int)
    number[region] = np.arange(region.sum())
    rows, columns = np.nonzero(region)
    matrix = sparse.lil_matrix((len(rows), len(rows)))
    matrix.setdiag(4.0)
    matrix = matrix.tocoo()
    entries_row, entries_column = [matrix.row], [matrix.col]
    entries = [matrix.data]
    right = np.zeros((len(rows), 3))
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows + dy, columns + dx
        inside = region[y, x]
        entries_row.append(np.nonzero(inside)[0])
        entries_column.append(number[y, x][inside])
        entries.append(-np.ones(inside.sum()))
        right += face[rows, columns] - face[y, x]
        right[~inside] += ground[y, x][~inside]
    system = sparse.csc_matrix(
        (np.concatenate(entries), (np.concatenate(entries_row), np.concatenate(entries_column))), (len(rows),) * 2
    )
    result = ground.copy()
    result[region] = spsolve(system, right)
    return np.clip(result, 0.0, 1.0)


def _align(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Points moved, turned and scaled onto others."""
    return SimilarityTransform.from_estimate(points, to)(points)


def _inside(points: np.ndarray) -> np.ndarray:
    """How far inside the outline each landmark lies: 0 on it, 1 from a sixth of the face's width on."""
    outline = points[list(OVAL)]
    dense = np.concatenate([np.linspace(a, b, 8) for a, b in zip(outline, np.roll(outline, -1, 0))])  # [D, 2]
    distance = np.linalg.norm(points[:, None] - dense[None], axis=2).min(1)  # [478]
    part = np.clip(distance / (np.ptp(outline[:, 0]) / 6), 0, 1)
    return part * part * (3 - 2 * part)


def _warp(image: np.ndarray, points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Picture whose landmarks are moved from one place to another; linear over the triangles between them."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    spread = SimilarityTransform.from_estimate(goal, points)
    edge = np.array([(u, v) for u in np.linspace(-60, width + 60, 7) for v in (-60, height + 60)])
    edge = np.concatenate([edge, edge[:, ::-1]])  # the border follows as a whole
    ends = np.concatenate([goal, edge])
    starts = np.concatenate([points, edge if np.allclose(points[10], goal[10]) else spread(edge)])
    back = LinearNDInterpolator(ends, starts)(np.stack([x + 0.5, y + 0.5], -1).reshape(-1, 2)).reshape(height, width, 2)
    where = [back[..., 1] - 0.5, back[..., 0] - 0.5]
    return np.stack([ndimage.map_coordinates(image[..., c], where, order=3, mode="nearest") for c in range(3)], -1)


def _region(points: np.ndarray) -> np.ndarray:
    """The inside of the face, bool ``[H, W]``: below the hair line and within the outline."""
    outline = points[list(OVAL)]
    picture = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(picture).polygon([tuple(point) for point in outline], fill=1)
    inset = int(INSET * np.ptp(outline[:, 0]))
    return ndimage.binary_erosion(np.asarray(picture, bool), ndimage.generate_binary_structure(2, 1), inset)


def find_person(folder: Path, tracker: FaceTracker, number: str) -> Person:
    """The picture of a number and its landmarks."""
    image = load_image(folder / "portraits" / f"{number}.jpg")
    face = tracker.detect(image)[0]
    return Person(image / 255.0, np.asarray(face.landmarks)[:, :2].astype(float))


def smiling(folder: Path) -> dict[str, str]:
    """For the number of a neutral picture that of the same person smiling."""
    with (folder / "portraits.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "webmorph" in row["source_repo"]]
    smiles = {row["identity"]: row["portrait"][:3] for row in rows if "smiling" in row["source_path"]}
    return {row["portrait"][:3]: smiles[row["identity"]] for row in rows if row["identity"] in smiles}


def main() -> None:
    """Make all portraits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=sorted(RECIPES))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tracker, smiles = MGGTalkPipeline.from_pretrained().tracker, smiling(options.data)
    for name in options.only:
        recipe = RECIPES[name]
        numbers = [smiles[number] if recipe.smile else number for number in (recipe.hair, *recipe.faces)]
        base, *others = (find_person(options.data, tracker, number) for number in numbers)
        picture = Image.fromarray((average(base, others) * 255).round().astype(np.uint8))
        path = options.out / f"{name}.jpg"
        picture.save(path, quality=92, exif=mark_exif(MARK))
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
