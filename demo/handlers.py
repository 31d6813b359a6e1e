"""What the buttons of the page do: each handler works with the shared pipeline and returns files."""

from __future__ import annotations

import html
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from demo.progress import Pace
from demo.sessions import Avatars, Jobs, StoppedError, picture_key, recall, remember
from demo.viewer import save_for_viewer
from mggtalk.avatar import Avatar
from mggtalk.depth.catalogue import NAMES
from mggtalk.errors import MGGTalkError, OptionError
from mggtalk.motion.retarget import PoseMode
from mggtalk.performance import Performance, around, check_driver, check_yaw, from_motion_file, from_speech, from_video
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import warm_up
from mggtalk.talking_video import Progress

LANGUAGES = {"auto": None, "English": "en", "other": "other"}
"""Choices on the page, and what :meth:`MGGTalkPipeline.listen` takes for them."""


class Studio:
    """The handlers of the page, around one pipeline. Visitors share it; what belongs to one is passed in and out.

    Args:
        pipe: The pipeline. Its kernels are compiled in the background, and the first job waits for that.
    """

    def __init__(self, pipe: MGGTalkPipeline) -> None:
        self._pipe = pipe
        self._jobs = Jobs()
        self._warming = threading.Thread(target=warm_up, name="warm-up", daemon=True)
        self._warming.start()

    def reenact(
        self,
        portrait: str | None,
        driving: str | None,
        motion: str | None,
        pose: PoseMode,
        size: int,
        depth: str,
        avatars: Avatars,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio's way to inject it
    ) -> tuple[str, str, Avatars]:
        """Drive a portrait by a video or a motion file.

        Args:
            portrait: Uploaded picture.
            driving: Uploaded video, or None.
            motion: Uploaded motion file, or None.
            pose: ``relative`` or ``absolute``.
            size: Side of the frames.
            depth: Name of the depth estimator.
            avatars: The visitor's avatars.
            request: Tells visitors apart.
            progress: Shows how far it is.

        Returns:
            Path of the video, a line about it, the visitor's avatars.

        Raises:
            gr.Error: With the text of the :class:`MGGTalkError`.
        """
        with self._job(request, progress) as (folder, pace):
            _check_one(driving, motion)
            check_driver(driving, None, motion)
            avatars, avatar = self._avatar(portrait, avatars, depth, pace)
            performance = self._drive(driving, None, motion, pace)
            video, line = self._film(avatar, performance, pose, size, folder, pace)
            return video, line, avatars

    def talk(
        self,
        portrait: str | None,
        speech: str | None,
        language: str,
        seed: float,
        size: int,
        depth: str,
        avatars: Avatars,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str, Avatars]:
        """Drive a portrait by speech; like :meth:`reenact`.

        Args:
            portrait: Uploaded picture.
            speech: Uploaded or recorded speech.
            language: A key of :data:`LANGUAGES`.
            seed: Of head motion and blinks.
            size: Side of the frames.
            depth: Name of the depth estimator.
            avatars: The visitor's avatars.
            request: Tells visitors apart.
            progress: Shows how far it is.
        """
        with self._job(request, progress) as (folder, pace):
            speech = _given(speech, "recording", "Upload one, or record your voice.")
            check_driver(speech=speech)
            avatars, avatar = self._avatar(portrait, avatars, depth, pace)
            performance = from_speech(self._pipe, speech, int(seed or 0), LANGUAGES[language], None, pace)
            video, line = self._film(avatar, performance, "relative", size, folder, pace)
            return video, line, avatars

    def free_view(
        self,
        portrait: str | None,
        driving: str | None,
        speech: str | None,
        motion: str | None,
        low: float,
        high: float,
        size: int,
        depth: str,
        avatars: Avatars,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str, str, str, Avatars]:
        """Look at a portrait, still or driven, from a moving viewpoint; like :meth:`reenact`.

        Args:
            portrait: Uploaded picture.
            driving: Uploaded video, or None.
            speech: Uploaded recording, or None.
            motion: Uploaded motion file, or None.
            low: Least yaw in degrees.
            high: Greatest yaw in degrees.
            size: Side of the frames.
            depth: Name of the depth estimator.
            avatars: The visitor's avatars.
            request: Tells visitors apart.
            progress: Shows how far it is.

        Returns:
            Path of the video, a line about it, paths of the splats for viewer and download, the visitor's avatars.
        """
        with self._job(request, progress) as (folder, pace):
            yaw = check_yaw(low, high)
            driven = any((driving, speech, motion))
            if driven:
                _check_one(driving, speech, motion)
            check_driver(driving, speech, motion)
            avatars, avatar = self._avatar(portrait, avatars, depth, pace)
            performance = around(
                self._pipe, avatar, yaw, self._drive(driving, speech, motion, pace) if driven else None
            )
            video, line = self._film(avatar, performance, "absolute", size, folder, pace)
            splats = self._pipe.splat(avatar, avatar.source)
            shown, download = str(folder / "mggtalk_view.ply"), str(folder / "mggtalk_head.ply")
            save_for_viewer(splats, shown)
            splats.save_ply(download)
            return video, line, shown, download, avatars

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's job between two frames."""
        self._jobs.stop(_visitor(request))

    @contextmanager
    def _job(self, request: gr.Request, progress: gr.Progress) -> Iterator[tuple[Path, Pace]]:
        """A folder for the results, which goes when the job fails, and a callback that can end the job.

        The folder is in Gradio's cache, so that its files can be served and are removed with the cache.
        """
        cache = Path(get_upload_folder())
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="mggtalk-", dir=cache))
        try:
            with self._jobs.job(_visitor(request)) as stop:
                progress(0.0, desc="Getting ready")
                self._warming.join()

                def show(part: float, line: str) -> None:
                    if stop.is_set():
                        raise StoppedError
                    progress(part, desc=line)

                yield folder, Pace(show)
        except MGGTalkError as error:
            shutil.rmtree(folder)
            raise gr.Error(_public(str(error), cache), print_exception=False) from error
        except BaseException:
            shutil.rmtree(folder)
            raise

    def _avatar(
        self, portrait: str | None, avatars: Avatars, depth: str, on_progress: Progress
    ) -> tuple[Avatars, Avatar]:
        """The avatar of a picture, made only when the visitor has none of it."""
        if depth not in NAMES:  # a folder of the server's is not the visitor's to choose
            raise OptionError(f"There is no depth estimator {depth!r}.", "Choose one from the list.")
        portrait = _given(portrait, "portrait", "Upload a picture of one person.")
        key = f"{picture_key(portrait)} {depth}"
        avatar = recall(avatars, key) or self._pipe.prepare(portrait, on_progress=on_progress, depth=depth)
        return remember(avatars, key, avatar), avatar

    def _drive(self, driving: str | None, speech: str | None, motion: str | None, on_progress: Progress) -> Performance:
        """The performance of the one thing that was given."""
        if driving is not None:
            return from_video(self._pipe, driving, on_progress=on_progress)
        if motion is not None:
            return from_motion_file(self._pipe, motion)
        return from_speech(self._pipe, str(speech), on_progress=on_progress)

    def _film(
        self, avatar: Avatar, performance: Performance, pose: PoseMode, size: int, folder: Path, pace: Pace
    ) -> tuple[str, str]:
        """Render a video and say something about it."""
        motion, sound = performance
        video = self._pipe.animate(avatar, motion, size, pose, sound, pace)
        path = video.save(folder / "mggtalk.mp4")
        rate = f" at {pace.frames_per_second:.1f} frames/s" if pace.frames_per_second else ""
        facts = f"{motion.seconds:.1f} s, {len(video)} frames of {size}×{size}, rendered{rate}. AI-made, and marked so."
        return str(path), "\n\n".join([facts, *(f"Note: {note}" for note in (*avatar.notes, *motion.notes))])


def _given(path: str | None, kind: str, advice: str) -> str:
    """The path, if there is one.

    Raises:
        OptionError: If nothing was uploaded.
    """
    if path is None:
        raise OptionError(f"There is no {kind}.", advice)
    return path


def _check_one(*drivers: str | None) -> None:
    """Check that one thing drives the portrait.

    Raises:
        OptionError: If nothing does, or several do.
    """
    count = sum(driver is not None for driver in drivers)
    if count != 1:
        found = f"There are {count} drivers." if count else "There is no driver."
        raise OptionError(found, "Give one: a video, a recording or a motion file.")


def _visitor(request: gr.Request) -> str:
    """What tells visitors apart."""
    return str(request.session_hash)


def _public(text: str, cache: Path) -> str:
    """A message without the server's folders, safe to be shown as HTML."""
    names_only = re.sub(re.escape(str(cache)) + r"[\\/](?:[^\\/'\s]+[\\/])*", "", text)
    return html.escape(names_only, quote=False)
