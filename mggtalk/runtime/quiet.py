"""Libraries that are kept quiet while they load: their remarks are about what this project knows of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
"""The file descriptor."""


@contextmanager
def quiet_loggers() -> Iterator[None]:
    """Let transformers and diffusers log errors only and draw no progress bar; afterwards all is as it was."""
    import transformers

    libraries = [transformers.utils.logging]
    try:
        from diffusers.utils import logging as diffusers_logging
    except ImportError:  # not needed by the networks of transformers
        pass
    else:
        libraries.append(diffusers_logging)
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity, bars in before:
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop all that the process writes to stderr: compiled libraries announce their threads there, past any logger."""
    kept = os.dup(STDERR)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
