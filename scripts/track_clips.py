"""Track every clip of a folder: one ``.npz`` a clip with landmarks, blendshapes and what was found. Resumes."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch

from mggtalk.config import TrackerConfig
from mggtalk.errors import NoFaceError
from mggtalk.face.tracker import FaceTracker

logger = logging.getLogger(__name__)


def read(path: Path) -> tuple[Iterator[np.ndarray], float]:
    """Frames ``[H, W, 3]`` uint8 of a clip, one at a time, and its frame rate."""
    reader = imageio_ffmpeg.read_frames(str(path), output_params=["-threads", "1"])
    meta = next(reader)
    width, height = meta["size"]
    return (np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader), float(meta["fps"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tracks")
    parser.add_argument("--pattern", default="*.mp4", help="which files of the folder")
    parser.add_argument("--raw", action="store_true", help="do not smooth over time")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tracker = FaceTracker(replace(TrackerConfig(), smooth=not arguments.raw))
    for path in sorted(arguments.clips.glob(arguments.pattern)):
        target = arguments.out / f"{path.stem}.npz"
        if target.exists():
            continue
        frames, fps = read(path)
        try:
            track = tracker.video(frames, fps)
        except NoFaceError as error:
            logger.warning("%s: %s", path.name, error)
            continue
        partial = target.with_suffix(".partial.npz")
        np.savez(
            partial,
            landmarks=track.landmarks,
            blendshapes=track.blendshapes,
            found=track.found,
            fps=track.fps,
            width=track.width,
            height=track.height,
        )
        partial.replace(target)
        logger.info("%s: %d frames, %d lost", path.name, len(track), int((~track.found).sum()))


if __name__ == "__main__":
    main()
