"""Motions from and to tables of the ARKit blendshapes, as Live Link Face writes them (CSV).

A row is a frame: ``Timecode``, ``BlendshapeCount``, the weights (``EyeBlinkLeft`` or ``eyeBlinkLeft``), and the angles
``HeadYaw``, ``HeadPitch``, ``HeadRoll`` in radians. Names are compared without regard to case. Of our own motions we
write the place of the head as well (``HeadX``, ``HeadY``, ``HeadZ``, decimetres in the camera frame).

The angles are taken as turns of ARKit's face anchor: axes x to the subject's left (the viewer's right), y up, z out of
the face. These are our head's axes, so they turn the same way as in :func:`mggtalk.geometry.euler_to_rotation`:
positive yaw to the viewer's right, positive pitch down, positive roll tilts the crown to the viewer's left. The format
does not state its signs, and programs differ: the argument ``signs`` turns angles round.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mggtalk.config import RenderConfig
from mggtalk.errors import MotionFileError
from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import euler_to_rotation, rotation_to_euler
from mggtalk.media.files import PathLike, check_readable, check_writable
from mggtalk.runtime.files import whole_file
from mggtalk.scene import Motion
from mggtalk.speech.head_motion import DISTANCE

CSV_SUFFIX = ".csv"
"""Ending of such a table."""

ANGLES = ("HeadPitch", "HeadYaw", "HeadRoll")
"""Columns of the head's angles in the order of :func:`mggtalk.geometry.euler_to_rotation`."""

PLACE = ("HeadX", "HeadY", "HeadZ")
"""Columns of the head's place that we write."""

OTHERS = frozenset({"timecode", "blendshapecount", "tongueout", "time", "frame", "_neutral"}) | {
    f"{side}eye{angle}" for side in ("left", "right") for angle in ("yaw", "pitch", "roll")
}
"""Columns, in lower case, that are known and not used."""

LEAST_SHAPES = 10
"""A table with fewer blendshapes is taken for something else."""

MAX_ROWS = 200_000
"""Longest table that is read."""

_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)(?:[:;](\d+(?:\.\d+)?)|(\.\d+))?$")


def load_arkit_csv(
    path: PathLike,
    face_model: FaceModel,
    fps: float | None = None,
    focal_ratio: float = RenderConfig.focal_ratio,
    signs: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Motion:
    """Read a table of blendshapes.

    Args:
        path: A CSV file with a line of names.
        face_model: Takes the weights to expression coefficients.
        fps: Frame rate; found from the timecodes by default.
        focal_ratio: Of the camera that the poses are made for.
        signs: Multiply pitch, yaw and roll.

    Returns:
        Its frames. Notes name the columns that were missing or not known.

    Raises:
        MediaError: If there is no such file.
        MotionFileError: If it is no table of blendshapes, or its frame rate is not known.
    """
    file = check_readable(path, "blendshape table")
    what = f"The table {str(file)!r}"
    header, rows = _read(file, what)
    columns = {name.strip().lower(): index for index, name in enumerate(header)}
    known = [name for name in NAMES[1:] if name.lower() in columns]
    if len(known) < LEAST_SHAPES:
        problem = f"{what} has {len(known)} columns with names of ARKit blendshapes."
        raise MotionFileError(
            problem, "Give a CSV file of Live Link Face, with names like EyeBlinkLeft in its first line."
        )
    notes = _column_notes(header, known, columns)
    weights = np.zeros((len(rows), len(NAMES)), np.float32)  # [T, 52]
    for index, name in enumerate(NAMES):
        if name in known:
            weights[:, index] = _column(rows, columns[name.lower()], name, what)
    angles, place = _head(rows, columns, what)  # [T, 3], [T, 3]
    if fps is None:
        stamps = [row[columns["timecode"]] for row in rows] if "timecode" in columns else []
        fps = _rate(stamps, what)
    if not (math.isfinite(fps) and 0.0 < fps <= 1000.0):
        raise MotionFileError(f"The frame rate of {str(file)!r} is {fps:g}.", "Give one from 1 to 1000.")
    expression = face_model.from_blendshapes(torch.from_numpy(np.clip(weights, 0.0, 1.0)).to(face_model.mean))
    return Motion(
        expression=expression.float().cpu(),
        rotation=euler_to_rotation(torch.from_numpy(angles * np.array(signs)).float()),
        translation=torch.from_numpy(place).float(),
        fps=float(fps),
        face_model=face_model.version,
        focal_ratio=focal_ratio,
        notes=notes,
    )


def _head(rows: list[list[str]], columns: dict[str, int], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Angles ``[T, 3]``, radians, and place ``[T, 3]``, decimetres, of the head; straight ahead where they are missing.

    Raises:
        MotionFileError: If they are no radians, or behind the camera.
    """
    angles, place = np.zeros((len(rows), 3)), np.tile((0.0, 0.0, DISTANCE), (len(rows), 1))
    for target, names in ((angles, ANGLES), (place, PLACE)):
        for axis, name in enumerate(names):
            if name.lower() in columns:
                target[:, axis] = _column(rows, columns[name.lower()], name, what)
    if np.abs(angles).max() > 2 * math.pi:
        problem = f"{what} has a head angle of {np.abs(angles).max():.3g} radians."
        raise MotionFileError(problem, "Convert its angles from degrees to radians.")
    if (place[:, 2] <= 0).any():
        raise MotionFileError(f"{what} puts the head behind the camera (HeadZ is not positive).", "Correct HeadZ.")
    return angles, place


def save_arkit_csv(motion: Motion, face_model: FaceModel, path: PathLike) -> None:
    """Write a motion as a table of blendshapes that :func:`load_arkit_csv` and Live Link tools read.

    Weights are clipped to [0, 1]; ARKit's 51 shapes span less than our expression space, so what lies outside is lost.

    Args:
        motion: What to write.
        face_model: The one its coefficients belong to.
        path: Ends in ``.csv``.

    Raises:
        MediaError: If the path cannot be written.
        MotionFileError: If the motion belongs to another face model.
    """
    file = check_writable(path, (".csv",))
    if motion.face_model != face_model.version:
        raise MotionFileError(
            f"The motion belongs to face model {motion.face_model!r}, not {face_model.version!r}.",
            "Track its video again.",
        )
    with torch.no_grad():
        weights = face_model.to_blendshapes(motion.expression.to(face_model.mean)).clamp(0.0, 1.0).cpu().numpy()
    angles = rotation_to_euler(motion.rotation).cpu().numpy()  # [T, 3]
    header = ["Timecode", "BlendshapeCount", *(name[0].upper() + name[1:] for name in NAMES[1:]), *ANGLES, *PLACE]
    with whole_file(file) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for index in range(len(motion)):
            numbers = (*weights[index, 1:], *angles[index], *motion.translation[index].tolist())
            count = len(NAMES) - 1
            writer.writerow([_timecode(index / motion.fps), count, *(f"{value:.6f}" for value in numbers)])


def _read(file: Path, what: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of equal length."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            rows: list[list[str]] = []
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    problem = f"{what} has {len(row)} cells in line {reader.line_num}, not {len(header)}."
                    raise MotionFileError(problem, "Export it again.")
                rows.append(row)
                if len(rows) > MAX_ROWS:
                    raise MotionFileError(f"{what} has more than {MAX_ROWS} rows.", "Cut it into shorter ones.")
    except (UnicodeDecodeError, csv.Error) as error:
        raise MotionFileError(f"{what} is no CSV text ({type(error).__name__}).", "Export it again as CSV.") from error
    if not rows:
        raise MotionFileError(f"{what} has no rows.", "Export it again.")
    return header, rows


def _column(rows: Sequence[Sequence[str]], index: int, name: str, what: str) -> np.ndarray:
    """Numbers of a column, ``[T]``; an empty cell is 0."""
    try:
        values = np.array([float(row[index].strip() or 0.0) for row in rows])
    except ValueError as error:
        raise MotionFileError(
            f"{what} has a cell in column {name} that is no number ({error}).", "Correct it."
        ) from error
    if not np.isfinite(values).all():
        raise MotionFileError(f"{what} has a cell in column {name} that is not finite.", "Correct it.")
    return values


def _column_notes(header: Sequence[str], known: Sequence[str], columns: dict[str, int]) -> tuple[str, ...]:
    """Names that were missing, and names that were not understood."""
    notes = []
    missing = [name for name in NAMES[1:] if name not in known] + [n for n in ANGLES if n.lower() not in columns]
    if missing:
        notes.append(f"Columns that the table lacks were taken as 0: {', '.join(missing)}.")
    expected = OTHERS | {name.lower() for name in (*NAMES, *ANGLES, *PLACE)}
    strange = [name for name in header if name.strip() and name.strip().lower() not in expected]
    if strange:
        notes.append(f"Columns of the table that are not known were left out: {', '.join(strange[:20])}.")
    return tuple(notes)


def _rate(stamps: Sequence[str], what: str) -> float:
    """Frame rate from timecodes: ``H:M:S.fraction``, or ``H:M:S:FF.fff`` with frames that start anew each second."""
    advice = "Give the frame rate."
    if len(stamps) < 2:
        raise MotionFileError(f"{what} has no timecodes to find its frame rate from.", advice)
    matches = [_TIMECODE.match(stamp.strip()) for stamp in stamps]
    if any(match is None for match in matches):
        raise MotionFileError(f"{what} has a timecode that cannot be read ({stamps[0]!r}).", advice)
    seconds = np.array([3600 * int(m[1]) + 60 * int(m[2]) + int(m[3]) for m in matches if m], np.float64)
    if all(match and match[4] is None for match in matches):
        seconds += [float(match[5] or 0.0) for match in matches if match]
        span = seconds[-1] - seconds[0]
        if span <= 0:
            raise MotionFileError(f"{what} has timecodes that do not advance.", advice)
        return (len(stamps) - 1) / span
    turns = np.flatnonzero(np.diff(seconds) > 0)  # last rows of their seconds
    if len(turns) >= 2:
        return (turns[-1] - turns[0]) / (seconds[turns[-1] + 1] - seconds[turns[0] + 1])
    frames = np.array([float(match[4] or 0.0) for match in matches if match])
    step = np.median(np.diff(frames))
    standard = (24.0, 25.0, 30.0, 60.0)
    if len(turns) == 1 and step > 0:
        highest = frames.max() + step
        return min(standard, key=lambda rate: abs(rate - highest)) / step
    raise MotionFileError(f"{what} is too short to find its frame rate from its timecodes.", advice)


def _timecode(seconds: float) -> str:
    """``HH:MM:SS.ffffff``."""
    micro = round(seconds * 1e6)
    whole, micro = divmod(micro, 1_000_000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{micro:06d}"
