"""What the page answers when something fails: never silence, never a folder of the server's."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from demo.report import failed, public
from mggtalk.errors import MGGTalkError

logger = logging.getLogger(__name__)

BROKEN = "Something went wrong on the server; it was written to its log."

LOST = (
    "The server could not take this up: a file of it may be gone by now, or the connection was lost. "
    "Choose your files again, or reload the page."
)
"""What is said when a job fails before it reaches us."""


def apologise(error: Exception) -> str:
    """The state after an error: in its own words if a visitor can mend it, else with a line in the log."""
    if isinstance(error, MGGTalkError):
        return failed(public(error))
    logger.error("a handler of the page failed", exc_info=error)
    return failed(BROKEN)


def answered(say: Callable[[str], Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a handler answer in any case.

    Args:
        say: From the state after an error, as HTML, to what the handler returns then.
    """

    def wrap(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def run(*values: Any, **named: Any) -> Any:
            try:
                return handler(*values, **named)
            except Exception as error:  # noqa: BLE001  it is logged, and told
                return say(apologise(error))

        return run

    return wrap
