"""Checks that the server makes when it starts: what is missing is named in the log, before a visitor finds out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import shutil
from pathlib import Path

from gradio.utils import get_upload_folder

from demo.examples import Examples
from mggtalk.config import ENCODED
from mggtalk.depth.catalogue import NAMES, status
from mggtalk.errors import MediaError
from mggtalk.media.ffmpeg import executable
from mggtalk.speech.smart_turn import why_not_fetched
from mggtalk.speech.speech_encoder import encoder_folder

logger = logging.getLogger(__name__)

LEAST_DISK = 1e9
"""Bytes under which uploads and videos may find no place."""


def has_mcp() -> bool:
    """Whether the endpoints can be offered over MCP: Gradio speaks to the first major version of its package."""
    return importlib.util.find_spec("mcp") is not None and importlib.metadata.version("mcp").startswith("1.")


def self_test(examples: Examples) -> list[str]:
    """Look for what the page needs, and log what is missing.

    Returns:
        A line for each thing that is missing, with what follows from it.
    """
    missing = []
    try:
        executable()
    except MediaError as error:
        missing.append(str(error))
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if free < LEAST_DISK:
        missing.append(f"only {free / 1e6:.0f} MB are free in the page's cache")
    if not has_mcp():
        missing.append("no MCP endpoint: pip install 'mcp>=1.21,<2'")
    if not examples.portraits or not examples.sample:
        missing.append("the folder examples is not complete: the first screen shows less")
    absent = [name for name in NAMES if not status(name).ready]
    if absent:
        missing.append(f"depth estimators that are not here, and not in the list: {', '.join(absent)}")
    for line in missing:
        logger.warning("%s", line)
    return missing


def fetch_speech_encoder() -> None:
    """Fetch the speech encoder now, so that the first visitor who speaks does not wait for it."""
    if encoder_folder(ENCODED.encoder) is None:
        reason = why_not_fetched()
        if reason:
            logger.warning("The speech encoder is not here (%s): lips follow likely phones instead.", reason)
