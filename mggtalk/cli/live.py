"""The command ``live``."""

from __future__ import annotations

import argparse
import time

from mggtalk.avatar.avatar import Avatar
from mggtalk.media import VideoWriter
from mggtalk.media.camera import FPS, camera_frames
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress


def record_live(pipe: MGGTalkPipeline, avatar: Avatar, options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Let the avatar follow a camera and write what it does, frame by frame.

    Returns:
        The path, and how fast it was.
    """
    follower = pipe.live(avatar, options.size, FPS, mirror=not options.no_mirror)
    most = round(options.seconds * FPS)
    count, started = 0, time.perf_counter()
    with (
        camera_frames(options.camera) as frames,
        VideoWriter(options.out, options.size, options.size, FPS, no_badge=options.no_badge) as writer,
    ):
        for frame in frames:
            writer.write(follower(frame))
            count += 1
            on_progress("live", count, most)
            if count == most:
                break
    return [f"note: {count / (time.perf_counter() - started):.1f} frames a second", options.out]
