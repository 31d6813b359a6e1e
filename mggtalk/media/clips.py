"""Choice of the clips that are evaluated, and of the portrait that each of them drives."""

from __future__ import annotations

from csv import DictReader
from pathlib import Path
from typing import NamedTuple

from mggtalk.errors import OptionError

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi")

SPEECH = 0.5
"""Least share of speech in the sound of a clip that is to drive by its sound, where the table tells it."""


class Clip(NamedTuple):
    """A video, and what the table says about it."""

    path: Path
    identity: str  # who is seen; the file's own name where the table does not tell
    speech: float | None  # share of the time in which somebody speaks, where the table tells it


def find_clips(
    folder: str | Path, table: str | Path | None = None, split: str = "val", suffixes: tuple[str, ...] = VIDEO_SUFFIXES
) -> list[Clip]:
    """Videos of a folder, or those rows of a table that belong to a split.

    Args:
        folder: Of videos.
        table: CSV with the columns ``clip`` (file name) and ``split``, and perhaps ``identity_cluster`` and
            ``speech_fraction``.
        split: Which rows; several splits with commas between them.
        suffixes: Which files of the folder, without a table.

    Raises:
        OptionError: If the folder or the table is missing or has nothing to offer.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise OptionError(f"The folder of clips {str(folder)!r} does not exist.", "Give a folder with videos.")
    if table is None:
        found = [Clip(path, path.name, None) for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes]
        if not found:
            raise OptionError(f"The folder {str(folder)!r} has no videos.", f"Put {', '.join(suffixes)} there.")
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
        found = [_clip(folder, row, "speech_fraction" in columns) for row in reader if row["split"] in split.split(",")]
    if not found:
        raise OptionError(f"The table {str(table)!r} has no clip of the split {split!r}.", "Give another split.")
    return found


def other_person(clips: list[Clip], index: int) -> Clip:
    """The next clip, counting round, that shows somebody else.

    Raises:
        OptionError: If all clips show the same person.
    """
    for step in range(1, len(clips)):
        other = clips[(index + step) % len(clips)]
        if other.identity != clips[index].identity:
            return other
    raise OptionError(
        f"Nobody else is there to be driven by {clips[index].path.name}.", "Cross-reenactment needs two people."
    )


def _clip(folder: Path, row: dict[str, str], speech_told: bool) -> Clip:
    """One row of the table."""
    try:
        speech = float(row["speech_fraction"] or 0.0) if speech_told else None
    except ValueError as error:
        raise OptionError(
            f"The table gives the speech fraction {row['speech_fraction']!r} for {row['clip']}.", "Give a number."
        ) from error
    return Clip(folder / row["clip"], row.get("identity_cluster") or row["clip"], speech)
