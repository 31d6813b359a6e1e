"""Self-reenactment: the first frame of a clip is the portrait, the clip's own motion drives it.

The generated frames are compared with the clip pixel by pixel, and tracked again for what landmarks, expression and
pose they show. Beside them stands the portrait that does not move, the least that a method must beat.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from csv import DictReader
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mggtalk.errors import MediaError, MGGTalkError, NoFaceError, OptionError
from mggtalk.evaluation import metrics
from mggtalk.evaluation.comparison import Comparison
from mggtalk.evaluation.report import save_contact_sheet, write_report
from mggtalk.evaluation.scores import ClipScore, Evaluation
from mggtalk.media import open_video
from mggtalk.scene import Motion

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all."""

LANDMARK_SIDE = 256
"""Side of the picture in whose pixels landmark distances are given, at every frame size."""

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi")


class Reenactor(Protocol):
    """What is evaluated: the part of :class:`mggtalk.pipeline.MGGTalkPipeline` that the protocol uses."""

    def prepare(self, portrait: np.ndarray, crop: Any) -> Any:
        """Avatar of a square portrait, uint8 ``[H, H, 3]``, with ``crop="none"``."""

    def track_frames(self, frames: Iterable[np.ndarray], fps: float) -> Motion:
        """Motion with landmarks of frames uint8 ``[H, H, 3]``, which are read once, in order."""

    def animate(self, avatar: Any, motion: Motion, size: int, pose: Any) -> Iterable[np.ndarray]:
        """Frames uint8 ``[size, size, 3]`` of an avatar, with ``pose="absolute"``."""


def evaluate(
    pipe: Reenactor,
    clips: str | Path,
    csv: str | Path | None = None,
    out: str | Path | None = None,
    every: int = 1,
    size: int = 256,
    on_progress: Progress | None = None,
    split: str = "val",
    label: str = "generated",
) -> Evaluation:
    """Evaluate self-reenactment on a folder of clips.

    Args:
        pipe: A pipeline.
        clips: Folder of videos.
        csv: Table with the columns ``clip`` (file name) and ``split``; all videos of the folder without it.
        out: Folder for ``evaluation.json``, ``evaluation.md`` and ``sheets/<clip>.png``; nothing is written without it.
        every: Generate and measure each so many-th frame only. The driving motion is tracked on all frames.
        size: Side of the compared frames.
        on_progress: Called with ``"evaluate"``, clips done and clips in all.
        split: Which rows of the table.
        label: Name of the method in the report.

    Returns:
        The scores. Clips that cannot be measured are named with the reason.

    Raises:
        OptionError: If there is nothing to evaluate, or ``every`` is not positive.
        MGGTalkError: If not one clip could be measured.
    """
    if every < 1:
        raise OptionError(f"The stride over frames is {every}.", "Give 1 or more.")
    paths = find_clips(clips, csv, split)
    report = on_progress or (lambda stage, done, total: None)
    scores: list[ClipScore] = []
    skipped: dict[str, str] = {}
    report("evaluate", 0, len(paths))
    for done, path in enumerate(paths, start=1):
        try:
            score, sheet = score_clip(pipe, path, every, size)
        except MGGTalkError as error:
            logger.warning("%s is left out: %s", path.name, error)
            skipped[path.name] = str(error)
        else:
            scores.append(score)
            if out is not None:
                save_contact_sheet(sheet, Path(out) / "sheets" / f"{path.stem}.png")
        report("evaluate", done, len(paths))
    if not scores:
        first = next(iter(skipped.values()))
        raise MGGTalkError(f"None of {len(paths)} clips could be measured. The first: {first}", "Give other clips.")
    evaluation = Evaluation(size, every, tuple(scores), skipped)
    if out is not None:
        write_report(evaluation, out, label)
    return evaluation


def find_clips(folder: str | Path, table: str | Path | None = None, split: str = "val") -> list[Path]:
    """Videos of a folder, or those rows of a table that belong to a split.

    Raises:
        OptionError: If the folder or the table is missing or has nothing to offer.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise OptionError(f"The folder of clips {str(folder)!r} does not exist.", "Give a folder with videos.")
    if table is None:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
        if not found:
            raise OptionError(f"The folder {str(folder)!r} has no videos.", f"Put {', '.join(VIDEO_SUFFIXES)} there.")
        return found
    if not Path(table).is_file():
        raise OptionError(
            f"The table {str(table)!r} does not exist.", "Give a CSV file with the columns clip and split."
        )
    with open(table, newline="", encoding="utf-8") as lines:
        reader = DictReader(lines)
        columns = reader.fieldnames or ()
        if not {"clip", "split"} <= set(columns):
            raise OptionError(f"The table {str(table)!r} has the columns {list(columns)}.", "It needs clip and split.")
        found = [folder / row["clip"] for row in reader if row["split"] == split]
    if not found:
        raise OptionError(f"The table {str(table)!r} has no clip of the split {split!r}.", "Give another split.")
    return found


def score_clip(
    pipe: Reenactor, path: Path, every: int = 1, size: int = 256
) -> tuple[ClipScore, list[tuple[np.ndarray, np.ndarray]]]:
    """Evaluate one clip. Frames are streamed: the clip is decoded once per pass and never held in memory.

    Args:
        pipe: A pipeline.
        path: The clip.
        every: Stride over its frames; the first frame is the portrait and is not measured.
        size: Side of the compared frames.

    Returns:
        Its scores, and some (real, generated) frames spread over the clip, uint8 ``[size, size, 3]``.

    Raises:
        MGGTalkError: If the clip cannot be read or tracked, or is too short.
    """
    portrait, fps = first_frame(path)
    motion = pipe.track_frames(square_frames(path), fps)
    chosen = list(range(every, len(motion), every))
    if not chosen:
        raise MediaError(
            f"{path.name} has {len(motion)} frames, too few for a stride of {every}.", "Use a longer clip."
        )
    rate = fps / every
    driving = select(motion, chosen, rate)
    # The tracker smooths over time, so a strided video has to be compared with a strided one.
    reference = driving if every == 1 else pipe.track_frames(islice(square_frames(path), every, None, every), rate)
    side = portrait.shape[0]
    comparison = Comparison(resized(portrait, size), _landmarks(reference) * (size / side))
    avatar = pipe.prepare(portrait, crop="none")
    real = (resized(frame, size) for frame in islice(square_frames(path), every, None, every))
    stream = comparison.watch(real, pipe.animate(avatar, driving, size=size, pose="absolute"))
    tracked = _track_again(pipe, stream, rate, path.name)
    wanted = _landmarks(reference) * (LANDMARK_SIDE / side)  # [T, 478, 3]
    still = select(motion, [0] * len(chosen), rate)
    score = ClipScore(
        clip=path.name,
        frames=len(chosen),
        hard_frames=comparison.hard_frames,
        generated=comparison.generated_scores(_motion_scores(tracked, LANDMARK_SIDE / size, reference, wanted)),
        still=comparison.still_scores(_motion_scores(still, LANDMARK_SIDE / side, reference, wanted)),
    )
    return score, comparison.sheet


def first_frame(path: Path) -> tuple[np.ndarray, float]:
    """The first frame of a video, cut to its central square, and the frames per second."""
    with open_video(path) as reader:
        for frame in reader:
            return centre_square(frame), float(reader.fps)
    raise MediaError(f"{path.name} has no frames.", "Give another video.")


def square_frames(path: Path) -> Iterator[np.ndarray]:
    """Frames of a video, uint8, cut to their central square."""
    with open_video(path) as reader:
        for frame in reader:
            yield centre_square(frame)


def centre_square(frame: np.ndarray) -> np.ndarray:
    """The central square of a frame ``[H, W, 3]``."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return frame[top : top + side, left : left + side]


def resized(frame: np.ndarray, size: int) -> np.ndarray:
    """A square uint8 frame at another size, ``[size, size, 3]``, Lanczos."""
    if frame.shape[0] == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.LANCZOS))


def select(motion: Motion, frames: list[int], fps: float) -> Motion:
    """Some moments of a motion, in the given order."""
    index = torch.tensor(frames)

    def pick(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[index]

    return motion.with_(
        expression=motion.expression[index],
        rotation=motion.rotation[index],
        translation=motion.translation[index],
        landmarks=pick(motion.landmarks),
        found=pick(motion.found),
        fps=fps,
    )


def _landmarks(motion: Motion) -> np.ndarray:
    """Landmarks ``[T, 478, 3]`` of a tracked motion, in pixels of the video."""
    if motion.landmarks is None:
        raise MGGTalkError("The motion has no landmarks.", "Use a tracker that keeps them.")
    return motion.landmarks.cpu().numpy().astype(np.float64)


def _track_again(pipe: Reenactor, stream: Iterator[np.ndarray], fps: float, name: str) -> Motion | None:
    """Track generated frames while they are measured; None when they show no face."""
    try:
        return pipe.track_frames(stream, fps)
    except NoFaceError:
        logger.warning("No face is found in the frames generated for %s: its motion is not measured.", name)
        for _ in stream:  # the pictures are measured all the same
            continue
        return None


def _motion_scores(tracked: Motion | None, scale: float, real: Motion, wanted: np.ndarray) -> dict[str, float]:
    """Motion metrics of a video against the real one; NaN without a track.

    Args:
        tracked: Track of the generated video.
        scale: From its pixels to those of :data:`LANDMARK_SIDE`.
        real: Track of the real video.
        wanted: Its landmarks ``[T, 478, 3]`` in pixels of :data:`LANDMARK_SIDE`.
    """
    if tracked is None:
        return dict.fromkeys(("lmd", "lmd_uncentred", "aed", "apd", "jitter"), math.nan)
    points = _landmarks(tracked) * scale  # [T, 478, 3]
    return {
        "lmd": metrics.lmd(points, wanted),
        "lmd_uncentred": metrics.lmd(points, wanted, centred=False),
        "aed": metrics.aed(tracked.expression.cpu(), real.expression.cpu()),
        "apd": metrics.apd(tracked.rotation.cpu(), real.rotation.cpu()),
        "jitter": metrics.excess_jitter(points, wanted),
    }
