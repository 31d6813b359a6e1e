"""Builds the avatar of a picture once in a test process, for tests that are about what is done with it.

Most CPU time of such tests went into the same few pictures, prepared again for each visitor, notebook and command. What
is found again was made by the real code, from the same pixels, landmarks, settings and weights, in the same process;
its progress is told again, so that a job can still be stopped at every stage.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from torch import nn

if TYPE_CHECKING:  # the pipeline takes seconds to import
    from mggtalk.avatar.avatar import Avatar
    from mggtalk.pipeline import MGGTalkPipeline
    from mggtalk.runtime.progress import Progress
    from mggtalk.scene import FaceTrack

FOLDERS = tuple(f"tests/{name}/" for name in ("notebooks", "demo", "person", "cli", "export", "evaluation", "dub"))
"""Tests in these remember; tests of the preparation itself lie elsewhere."""

MOST = 12
"""Avatars that are kept; the one that was made first goes first."""

KEPT: pytest.StashKey[dict[str, tuple[Avatar, list[tuple[str, int, int]]]]] = pytest.StashKey()
"""Where a test session keeps them."""


@contextmanager
def avatars_remembered(config: pytest.Config) -> Iterator[None]:
    """Let pipelines find avatars again that this process has built already."""
    from mggtalk.pipeline import MGGTalkPipeline

    kept = config.stash.setdefault(KEPT, {})
    build = MGGTalkPipeline._avatar

    def find_or_build(
        pipe: MGGTalkPipeline, square: np.ndarray, track: FaceTrack, told: Progress, *more: Any, **named: Any
    ) -> Avatar:
        depth = more[0] if more else pipe.depth_estimator
        if not isinstance(depth, str | None):
            return build(pipe, square, track, told, *more, **named)  # an estimator of the test's own
        name = _checksum(pipe, (square, vars(track), more, named))
        if name not in kept:
            steps: list[tuple[str, int, int]] = []

            def tell(*step: Any) -> None:
                steps.append(step)
                told(*step)

            kept[name] = build(pipe, square, track, tell, *more, **named), steps
            if len(kept) > MOST:
                del kept[next(iter(kept))]
            return kept[name][0]
        avatar, steps = kept[name]
        for step in steps:
            told(*step)
        return avatar

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MGGTalkPipeline, "_avatar", find_or_build)
        yield


def _checksum(pipe: MGGTalkPipeline, given: Any) -> str:
    """Name everything that an avatar depends on."""
    weights = [
        (name, key, weight.cpu().numpy())
        for name, module in vars(pipe).items()
        if isinstance(module, nn.Module)
        for key, weight in module.state_dict().items()
    ]
    rest = (pipe.config, str(pipe.device), str(pipe.depth_estimator), pipe.face_model.version)
    return hashlib.sha1(pickle.dumps((given, weights, rest))).hexdigest()
