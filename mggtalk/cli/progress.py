"""Progress of the command line on stderr: bars on a terminal, now and then a line in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

EVERY_SECONDS = 10.0
"""Time between two lines where stderr is no terminal; what is over sooner says nothing."""


class StageBars:
    """A progress callback that draws a bar for the stage at hand, with rate and time left."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage; a new stage ends the one before.

        Args:
            stage: Name of the stage.
            done: Steps done.
            total: Steps in all, as far as known.
        """
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(total=total, desc=f"{stage:<10}", unit="frame", leave=total > 3)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar at hand."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> StageBars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StageLines:
    """A progress callback that writes a line every ten seconds: for logs, in which bars are a mess.

    Args:
        out: Where to.
        clock: Seconds, monotonic.
    """

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stderr
        self._clock = clock
        self._stage = ""
        self._first = (clock(), 0)  # time and steps at the stage's first report
        self._written = clock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a report: stage, steps done and steps in all, as far as known."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._first = stage, (now, done)
        if now - self._written < EVERY_SECONDS:
            return
        self._written = now
        line = f"{stage}: {done} of {total}"
        passed, made = now - self._first[0], done - self._first[1]
        if passed > 0 and made > 0:
            line += f", {made / passed:.1f} a second, {(total - done) * passed / made:.0f} s left"
        self._out.write(f"mggtalk: {line}\n")
        self._out.flush()

    def __enter__(self) -> StageLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""


def stage_progress() -> StageBars | StageLines:
    """Bars on a terminal, lines elsewhere."""
    return StageBars() if sys.stderr.isatty() else StageLines()
