"""Weights of depth estimators on the Hugging Face hub: are they here, how large are they, and how to get them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.progress import Progress, no_progress

logger = logging.getLogger(__name__)

MEGABYTE = 10**6
TIMEOUT = 10.0
"""Seconds to wait for the hub's answer about a file."""


class Source(NamedTuple):
    """Files of one repository on the hub."""

    repo: str
    files: tuple[str, ...]  # patterns; the weights are complete when each matches a file
    size: int  # bytes, as last seen; the hub is asked before a download


def snapshot_download(*arguments: Any, **options: Any) -> Any:
    """The hub's function of this name, imported when it is called: a name must be refused at once without it."""
    from huggingface_hub import snapshot_download as download

    return download(*arguments, **options)


def cache() -> str:
    """Folder that the hub's files are kept in."""
    from huggingface_hub import constants

    return constants.HF_HUB_CACHE


def cached(source: Source) -> Path | None:
    """The folder in the local cache if every file is in it. Never asks the network."""
    try:
        folder = Path(snapshot_download(source.repo, allow_patterns=list(source.files), local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if complete(folder, source.files) else None


def complete(folder: Path, patterns: Sequence[str]) -> bool:
    """Whether each pattern matches a file of the folder."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return all(any(fnmatch(name, pattern) for name in names) for pattern in patterns)


def fetch(
    name: str,
    sources: Sequence[Source],
    on_progress: Progress = no_progress,
    announce: Callable[[str], object] = logger.warning,
) -> tuple[Path, ...]:
    """Folders of all sources, downloaded into the cache where they are missing.

    Args:
        name: Of the estimator, for messages.
        sources: What it needs.
        on_progress: Called with ``download``, megabytes done and in all.
        announce: Is told what will be downloaded, and how large it is, before it starts.

    Returns:
        One folder per source.

    Raises:
        WeightsMissingError: If something is missing and the hub does not give it, or the disk is too small.
    """
    found = {source: cached(source) for source in sources}
    missing = [source for source in sources if found[source] is None]
    stated = sum(source.size for source in missing)
    try:
        sizes = {source: to_download(source) for source in missing}
        size = sum(sizes.values())
        if missing:
            _check_space(name, size)
            repos = " and ".join(source.repo for source in missing)
            announce(f"Downloading {name} from {repos}: {readable(size)}, to {cache()}.")
        done = 0
        for source in missing:
            bars = _report_to(on_progress, done, size)
            snapshot_download(
                source.repo, allow_patterns=list(source.files), etag_timeout=TIMEOUT, tqdm_class=bars
            )  # resumes what was begun
            done += sizes[source]
            found[source] = cached(source)
    except (OSError, ValueError) as error:
        if isinstance(error, WeightsMissingError):
            raise
        refused = getattr(error, "response", None) is not None
        why = f"refused it ({type(error).__name__})" if refused else "cannot be reached"
        raise _unavailable(name, missing, stated, why) from error
    if None in found.values():
        raise _unavailable(name, missing, stated, "has not all of its files")
    return tuple(folder for folder in found.values() if folder is not None)


def to_download(source: Source) -> int:
    """Bytes that a download would fetch, asked of the hub."""
    files = snapshot_download(
        source.repo, allow_patterns=list(source.files), etag_timeout=TIMEOUT, dry_run=True, tqdm_class=_silent()
    )
    return sum(file.file_size or 0 for file in files if file.will_download)


def readable(size: int) -> str:
    """Bytes in words, with decimal prefixes.

    Example:
        >>> readable(4_995_466_227)
        '5.0 GB'
    """
    if size >= 10**9:
        return f"{size / 10**9:.1f} GB"
    return f"{size / MEGABYTE:.0f} MB" if size >= MEGABYTE else f"{size / 1000:.0f} kB"


def _unavailable(name: str, missing: Sequence[Source], size: int, why: str) -> WeightsMissingError:
    """Advice for working without a network."""
    repos = " and ".join(source.repo for source in missing)
    return WeightsMissingError(
        f"The depth estimator {name!r} ({repos}, {readable(size)}) is not on this machine, and the hub {why}.",
        f"Fetch it with 'python -m mggtalk doctor --fetch {name}', give its folder with '--depth {name}=FOLDER', or "
        "use '--depth mesh'.",
    )


def _check_space(name: str, size: int) -> None:
    """Refuse a download for which there is no room."""
    place = Path(cache())
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < size:
        raise WeightsMissingError(
            f"The depth estimator {name!r} needs {readable(size)}, and {place} has {readable(free)} free.",
            "Make room, or set HF_HOME to a larger disk.",
        )


def _silent() -> type[tqdm]:
    """A progress bar that shows nothing."""
    return _report_to(no_progress, 0, 0)


def _report_to(on_progress: Progress, before: int, total: int) -> type[tqdm]:
    """A class of progress bars that report bytes instead of drawing.

    The hub keeps one bar for bytes received and one for bytes written: the farther one counts.
    """
    farthest = 0

    class Bytes(tqdm):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.counts = options.get("unit") == "B"
            self.bytes = 0
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            """Take a report of bytes."""
            nonlocal farthest
            self.bytes += int(n or 0)
            if self.counts and self.bytes > farthest:
                farthest = self.bytes
                on_progress("download", min(before + farthest, total) // MEGABYTE, total // MEGABYTE)

    return Bytes
