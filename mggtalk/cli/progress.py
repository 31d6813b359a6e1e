"""Progress of the command line: one bar per stage on stderr, with rate and time left."""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm


class StageBars:
    """A progress callback that draws a bar for the stage at hand; silent where stderr is not a terminal."""

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
            self._bar = tqdm(total=total, desc=f"{stage:<10}", unit="frame", leave=total > 3, disable=None)
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
