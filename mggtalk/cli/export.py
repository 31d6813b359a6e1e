"""The command ``export``."""

from __future__ import annotations

from pathlib import Path

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.export.head_file import write_head
from mggtalk.export.ply_sequence import write_sequence
from mggtalk.export.sound import encode_sound
from mggtalk.export.web_head import make_web_head
from mggtalk.export.web_page import write_page
from mggtalk.motion.retarget import retarget
from mggtalk.performance import Performance
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress


def export_head(
    pipe: MGGTalkPipeline,
    avatar: Avatar,
    performance: Performance | None,
    out: str | Path,
    on_progress: Progress = no_progress,
) -> list[str]:
    """Write a head: ``.html`` a page, ``.json`` header and data, ``.ply`` a file for each frame.

    Returns:
        What was written.

    Raises:
        OptionError: If splats are wanted and nothing moves them.
    """
    motion = None if performance is None else retarget(performance.motion, avatar, "relative", pipe.face_model)
    if Path(out).suffix.lower() == ".ply":
        if motion is None:
            raise OptionError("There is nothing to play.", "Give --motion, --audio or --driving, or use 'orbit --ply'.")
        animator = pipe.animator(avatar.alone(), max(avatar.mask.shape))
        files = write_sequence(animator, motion, out, on_progress)
        return [f"{files[0]} … {files[-1].name} ({len(files)} files)"]
    sound = None
    if performance is not None and isinstance(performance.sound, str | Path):
        sound = encode_sound(performance.sound, performance.motion.seconds)
    head = make_web_head(pipe, avatar, motion, sound, on_progress=on_progress)
    notes = [] if avatar.photos is None else ["note: The exported head shows the main photo; the others are left out."]
    if Path(out).suffix.lower() == ".json":
        return [*notes, *(str(path) for path in write_head(head, out))]
    return [*notes, str(write_page(head, out))]
