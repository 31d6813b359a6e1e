"""Limits of the page: published on it, and enforced before anything is decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mggtalk.config import MediaConfig
from mggtalk.errors import OptionError

LIMITS = replace(MediaConfig.page_limits(), max_image_megapixels=26.0)
"""Of bytes, pixels and seconds; the readers check them in a file's header."""

MOTION_MEGABYTES = 20.0
"""Largest motion file."""

UPLOAD = "100mb"
"""Largest file that the server accepts at all."""

KEEP_SECONDS = 3600
"""Files of a visitor who neither leaves nor comes back are deleted after so long."""

QUEUE = 16
"""Videos of all visitors that may wait; more are refused with a message. Each visitor may have one that waits."""

QUICK_EACH, QUICK_ALL = 3, 24
"""Stills and checks that may wait, of one visitor and of all."""

THREADS = 64
"""Requests that are answered at the same time; those that wait in a line count."""

TEXT = (
    "**Limits.** Picture: 10 MB, 26 megapixels. Video: 100 MB, 60 s, 1920×1080. "
    "Recording: 120 s. Your files are yours alone; they are deleted when you leave the page, "
    "and after an hour in any case."
)
"""The same in words."""


def given(path: str | None, kind: str, advice: str) -> str:
    """An upload that is there.

    Raises:
        OptionError: If nothing was uploaded, or it was deleted since.
    """
    if path is None:
        raise OptionError(f"There is no {kind}.", advice)
    if not Path(path).is_file():
        raise OptionError(f"The {kind} is no longer on the server.", "Please choose it again.")
    return path


def exactly_one(**drivers: str | None) -> None:
    """Check that one thing drives the portrait.

    Raises:
        OptionError: If nothing does, or several do.
    """
    count = sum(driver is not None for driver in drivers.values())
    if count != 1:
        found = f"There are {count} drivers." if count else "There is no driver: nothing moves the portrait yet."
        names = [name.replace("_", " ") for name in drivers]
        raise OptionError(found, f"Give one: {', '.join(names[:-1])} or {names[-1]}." if names[1:] else names[0])


def as_number(name: str, value: object, least: float, most: float) -> float:
    """A number within its limits.

    Raises:
        OptionError: If it is missing, no number, or beyond them.
    """
    allowed = f"Choose a number from {least:g} to {most:g}."
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise OptionError(f"The {name} is {value!r}.", allowed)
    if not least <= value <= most:
        raise OptionError(f"The {name} is {value}.", allowed)
    return float(value)


def as_truth(name: str, value: object) -> bool:
    """True or False, and nothing that only looks like it: ``"false"`` is no consent.

    Raises:
        OptionError: If it is something else.
    """
    if not isinstance(value, bool):
        raise OptionError(f"The {name} is {value!r}.", "Give true or false.")
    return value
