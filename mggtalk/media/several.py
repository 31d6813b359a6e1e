"""Several photos of one person: how many there may be, and which of them an error is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mggtalk.errors import MGGTalkError, OptionError

MOST_PHOTOS = 8
"""Photos of one person."""


def check_count(count: int) -> None:
    """Refuse no photos, and too many.

    Raises:
        OptionError: With their number.
    """
    if not 1 <= count <= MOST_PHOTOS:
        problem = "No photo was given." if count < 1 else f"{count} photos were given."
        raise OptionError(problem, f"Give 1 to {MOST_PHOTOS} photos of one person.")


@contextmanager
def name_photo(picture: Any, index: int, count: int) -> Iterator[str]:
    """The name of one of several photos; errors inside say which one it was.

    Raises:
        MGGTalkError: Of the same type, with the name before what was wrong.
    """
    named = isinstance(picture, str | Path)
    name = repr(Path(picture).name) if named else f"photo {index + 1}"
    try:
        yield name
    except MGGTalkError as error:
        if count == 1:
            raise
        which = f"Photo {index + 1} of {count}" + (f", {name}" if named else "")
        advice = error.advice if index == 0 else f"{error.advice} Or leave this photo out."
        raise type(error)(f"{which}: {error.problem}", advice) from error
