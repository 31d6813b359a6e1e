"""From the values of a tab's inputs to an order; the page and the API share them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from demo.film import Order, Portrait
from demo.limits import LIMITS, MOTION_MEGABYTES, as_number, as_truth, exactly_one, given
from demo.portrait import named
from demo.studio import SIDES
from mggtalk.animate.animator import dolly
from mggtalk.avatar.avatar import Avatar
from mggtalk.config import RenderConfig, check_yaw
from mggtalk.errors import OptionError
from mggtalk.media import check_readable
from mggtalk.media.backdrop import COLOUR, NONE
from mggtalk.media.files import tell_excess
from mggtalk.motion.retarget import PoseMode
from mggtalk.motion.style import Style
from mggtalk.performance import (
    Performance,
    around,
    check_driver,
    from_motion_file,
    from_speech,
    from_video,
    read_motion,
    with_head_of,
)
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress

LANGUAGES = {"auto": None, "English": "en", "other": "other"}
"""Choices on the page, and what :meth:`MGGTalkPipeline.listen` takes for them."""

HEAD_STYLES = {"still": 0.0, "calm": 0.5, "natural": 1.0, "lively": 1.6}
"""Choices of the invented head motion, and its strength."""

VIEWS = {"camera flight": (), "side by side, −30° / 0° / 30°": SIDES}
"""Choices of the view, and the yaws that are seen side by side."""

PATHS = {"swing": 0.0, "circle": 12.0}
"""Choices of the camera's path, and its pitch in degrees."""

BACKGROUNDS = {"as in the photo": None, "transparent": NONE, "white": "#ffffff", "green screen": "#00b140"}
"""Choices of what stands behind the person; any other is a colour, ``#rrggbb``."""

LONGEST_MOTION = LIMITS.max_sound_seconds
"""Seconds of a motion file that are played at most."""


SIZES = (256, 512, 1024)
"""Sides of a frame in pixels that the page makes."""


def check_size(size: int) -> None:
    """Refuse a size that is not one of :data:`SIZES`.

    Raises:
        OptionError: If it is another one.
    """
    if isinstance(size, bool) or size not in SIZES:
        raise OptionError(f"The size is {size}.", "Choose 256, 512 or 1024.")


def order(  # noqa: PLR0913  the inputs that all tabs have, in their order
    tab: str,
    path: str | None,
    face: int | None,
    depth: str,
    consent: bool,
    badge: bool,
    statement: str,
    size: int,
    background: str | None,
) -> Order:
    """Options that all orders have in common."""

    def nothing(pipe: MGGTalkPipeline, avatar: Avatar, on_progress: Progress) -> Performance:
        raise NotImplementedError

    check_size(size)
    portrait: Portrait = named(path, face, depth)
    said = None if badge else str(statement or "")
    if background and background not in BACKGROUNDS and not COLOUR.fullmatch(background):
        choices = ", ".join(BACKGROUNDS)
        raise OptionError(f"The background is {background!r}.", f"Choose one of {choices}, or a colour as #rrggbb.")
    behind = BACKGROUNDS.get(background, background) if background else None
    wanted = Order(tab, portrait, int(size), as_truth("consent", consent), said, lambda: None, nothing)
    return replace(wanted, background=behind)


def face_index(name: str, number: object) -> int | None:
    """From a face's number as people count, 1 for the leftmost, to its index; 0 or nothing: none was chosen.

    Raises:
        OptionError: If it is no such number.
    """
    if number is None:
        return None
    chosen = as_number(name, number, 0, 99)
    if chosen != int(chosen):
        raise OptionError(f"The {name} is {number}.", "Give a whole number, 1 for the leftmost.")
    return int(chosen) - 1 if chosen else None


def check_files(driving: str | None = None, speech: str | None = None, motion: str | None = None) -> None:
    """Open uploads within the page's limits, so that a bad one is told before any work.

    Raises:
        MediaError: If a video or recording cannot be read or is silent.
        MediaTooLongError: If one is over a limit.
        MotionFileError: If the motion file is none.
    """
    if motion is not None:
        check_readable(motion, "motion file", MOTION_MEGABYTES)
    check_driver(driving, speech, motion, LIMITS)


def _short(performance: Performance) -> Performance:
    """The performance, if it is not too long.

    Raises:
        OptionError: If it is.
    """
    if performance.motion.seconds > LONGEST_MOTION:
        raise OptionError(
            f"The motion is {tell_excess(performance.motion.seconds)} s long.",
            f"Give one of {LONGEST_MOTION:g} s or less.",
        )
    return performance


def reenact_order(*values: object) -> Order:
    """The order of the tab *Reenact*: what all have in common, then as in :class:`Reenact`."""
    return _reenact(order("reenact", *values[:8]), Reenact(*values[8:]))  # type: ignore[arg-type]


class Reenact(NamedTuple):
    """Inputs of the tab *Reenact*, in their order."""

    video: str | None
    motion: str | None
    pose: PoseMode
    pose_strength: float
    expression_strength: float
    smoothing: float
    driver_face: float | None  # counted from 1, 0 is the largest
    regions: list[str] | None = None
    camera: bool = False  # whether the eyes look into it
    picture: str | None = None
    whole: bool = False


def _reenact(common: Order, asked: Reenact) -> Order:
    """Drive by a video, a picture or a motion file."""
    driving, motion = asked.video or asked.picture, asked.motion
    face = face_index("driver's face", asked.driver_face)

    def check() -> None:
        exactly_one(video=asked.video, picture=asked.picture, motion_file=motion)
        check_files(driving, None, motion)

    def perform(pipe: MGGTalkPipeline, _: Avatar, on_progress: Progress) -> Performance:
        if driving is not None:
            return from_video(pipe, driving, face, on_progress)
        return _short(from_motion_file(pipe, str(motion)))

    style = Style(
        as_number("strength of the pose", asked.pose_strength, 0, 2),
        as_number("strength of the expression", asked.expression_strength, 0, 2),
        as_number("smoothing", asked.smoothing, 0, 5),
        tuple(map(str, asked.regions or ("all",))),
        "camera" if as_truth("gaze", asked.camera) else "driver",
    ).check()
    drivers, whole = (driving, motion), check_whole(common, asked.whole, asked.pose)
    return replace(common, check=check, perform=perform, pose=asked.pose, style=style, drivers=drivers, whole=whole)


def talk_order(*values: object) -> Order:
    """The order of the tab *Talk*: what all have in common, then as in :class:`Talk`."""
    return _talk(order("talk", *values[:8]), Talk(*values[8:]))  # type: ignore[arg-type]


class Talk(NamedTuple):
    """Inputs of the tab *Talk*, in their order."""

    speech: str | None
    language: str
    mouth: float
    head: str
    energy: float
    blinks: float
    donor: str | None
    seed: float | None
    whole: bool = False
    listener: bool = False


def _talk(common: Order, asked: Talk) -> Order:
    """Drive by speech."""
    if asked.language not in LANGUAGES or asked.head not in HEAD_STYLES:
        problem = f"The choice {asked.language!r}, {asked.head!r} does not exist."
        raise OptionError(problem, "Choose from the lists.")
    mouth = as_number("mouth strength", asked.mouth, 0, 2)
    energy = as_number("energy", asked.energy, 0, 2)
    blinks = as_number("blink rate", asked.blinks, 0, 60)
    number = int(as_number("variation", 0 if asked.seed is None else asked.seed, 0, 2**31 - 1))
    listener = as_truth("listener", asked.listener)

    def check() -> None:
        given(asked.speech, "recording", "Upload one, or record your voice.")
        check_files(None, asked.speech, asked.donor)

    def perform(pipe: MGGTalkPipeline, avatar: Avatar, on_progress: Progress) -> Performance:
        manner = replace(
            pipe.config.speech,
            mouth=mouth,
            energy=energy,
            head_motion=HEAD_STYLES[asked.head],
            blinks_per_minute=blinks,
            listener=listener,
        )
        poses = None if asked.donor is None else read_motion(pipe, asked.donor)
        language = LANGUAGES[asked.language]
        said = from_speech(pipe, str(asked.speech), number, language, on_progress, manner, avatar.voice)
        return said if poses is None else said._replace(motion=with_head_of(said.motion, poses))

    whole = check_whole(common, asked.whole)
    return replace(common, check=check, perform=perform, drivers=(asked.speech, asked.donor), whole=whole)


def check_whole(common: Order, whole: object, pose: PoseMode = "relative") -> bool:
    """Whether the whole picture is wanted, which has its own background and place.

    Raises:
        OptionError: If it is, and another background or the driver's own pose as well.
    """
    wanted = as_truth("whole picture", whole)
    if wanted and (common.background is not None or pose != "relative"):
        what = "head pose “as in the video”" if common.background is None else "another background"
        raise OptionError(f"The whole picture does not go with {what}.", "Choose one of the two.")
    return wanted


def free_view_order(*values: object) -> Order:
    """The order of the tab *Free view*: what all have in common, then as in :class:`FreeView`."""
    return _free_view(order("free_view", *values[:8]), FreeView(*values[8:]))  # type: ignore[arg-type]


class FreeView(NamedTuple):
    """Inputs of the tab *Free view*, in their order."""

    view: str
    path: str
    low: float
    high: float
    fov: float
    driving: str | None
    speech: str | None
    motion: str | None


def _free_view(common: Order, asked: FreeView) -> Order:
    """Look from a moving viewpoint, or from three sides at once."""
    view, path, drivers = asked.view, asked.path, (asked.driving, asked.speech, asked.motion)
    if view not in VIEWS or path not in PATHS:
        raise OptionError(f"The choice {view!r}, {path!r} does not exist.", "Choose from the lists.")
    low, high = as_number("least yaw", asked.low, -60, 0), as_number("greatest yaw", asked.high, 0, 60)
    fov = as_number("field of view", asked.fov, 10, 60)

    def check() -> None:
        check_yaw(low, high, 60.0)
        dolly(fov, RenderConfig().focal_ratio)
        if any(drivers):
            exactly_one(video=asked.driving, recording=asked.speech, motion_file=asked.motion)
        check_files(*drivers)

    def perform(pipe: MGGTalkPipeline, avatar: Avatar, on_progress: Progress) -> Performance:
        performance = None
        if asked.driving is not None:
            performance = from_video(pipe, asked.driving, on_progress=on_progress)
        elif asked.motion is not None:
            performance = _short(from_motion_file(pipe, asked.motion))
        elif asked.speech is not None:
            performance = from_speech(pipe, asked.speech, on_progress=on_progress, voice=avatar.voice)
        return around(pipe, avatar, (low, high), performance, PATHS[path])

    around_it = {"pose": "absolute", "yaws": VIEWS[view], "fov": fov, "viewer": True}
    return replace(common, check=check, perform=perform, drivers=drivers, **around_it)  # type: ignore[arg-type]
