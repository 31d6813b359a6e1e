"""``python -m mggtalk dub``."""

from __future__ import annotations

import argparse

from mggtalk.dub.dub import DubbedVideo, dub
from mggtalk.person.adapt import AdaptConfig, adapt
from mggtalk.person.load import load_adapter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress


def dub_film(pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress) -> DubbedVideo:
    """Plan the film that the options ask for.

    Args:
        pipe: Does the work.
        options: Of the command line.
        on_progress: Called with stage, steps done and steps in all.
    """
    avatar = None
    if options.adapter is not None:
        avatar = load_adapter(pipe, options.adapter, on_progress)
    elif options.minutes > 0:
        config = AdaptConfig(method="blendshapes").lasting(options.minutes)  # of the head, a film shows the mouth alone
        avatar = adapt(pipe, options.video, options.consent, config, options.face, on_progress).avatar
    return dub(pipe, options.video, options.audio, options.consent, options.face, options.language, avatar, on_progress)
