"""Words of the page while it works: the stage, frames a second and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

STAGES = {
    "face": "Looking for the face",
    "matte": "Cutting out the person",
    "download": "Downloading the depth estimator",
    "depth": "Estimating depth",
    "surface": "Integrating the surface",
    "symmetry": "Mirroring the hidden half",
    "avatar": "Building the avatar",
    "track": "Following the face in the video",
    "listen": "Listening",
    "render": "Rendering",
    "frames": "Reading the film",
    "voice": "Learning how the lips move",
    "drift": "Learning where things are",
    "light": "Learning how light falls",
    "adapt": "Learning",
    "static": "Learning what stays",
    "motion": "Learning what moves",
    "fusion": "Learning the finish",
}
"""Plain words for the stages that the pipeline reports."""

STEPS = ("adapt", "static", "motion", "fusion")
"""Stages that count steps, not frames."""

INTERVAL = 0.2
"""Least seconds between two messages of one stage."""


class Pace:
    """A progress callback of the pipeline that measures the rate of each stage.

    Args:
        show: Is given the part of the stage that is done, 0 to 1, and a line about it.
        clock: Seconds, monotonic.
    """

    def __init__(self, show: Callable[[float, str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._stage = ""
        self._first = (0.0, 0)  # time and steps of the stage's first report
        self._shown = 0.0
        self.frames_per_second: float | None = None  # of the stage at hand

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a report of the pipeline: stage, steps done and steps in all."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._first, self.frames_per_second = stage, (now, done), None
        elif now > self._first[0] and done > self._first[1]:
            self.frames_per_second = (done - self._first[1]) / (now - self._first[0])
        if self._first == (now, done) or done == total or now - self._shown >= INTERVAL:
            self._shown = now
            self._show(done / max(total, 1), describe(stage, done, total, self.frames_per_second))


def describe(stage: str, done: int, total: int, rate: float | None) -> str:
    """One line about a stage.

    Example:
        >>> describe("render", 50, 100, 25.0)
        'Rendering: 50 of 100 frames, 25.0 frames/s, 2 s left'
    """
    name = STAGES.get(stage, stage.capitalize())
    if total <= 3:
        return name
    unit = "steps" if stage in STEPS else "frames"
    line = f"{name}: {done} of {total} {unit}"
    if rate:
        line += f", {rate:.1f} {unit}/s, {(total - done) / rate:.0f} s left"
    return line
