"""Keeping diffusers and transformers quiet while they load: their remarks are about keys that this project knows of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import transformers


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Only errors are logged and no progress bar is drawn inside; afterwards all is as it was."""
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
