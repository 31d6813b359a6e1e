"""Checks of the options before anything heavy is loaded: no torch is imported here.

A mistake in them costs a second, not a tracked video.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from mggtalk.config import (
    MOST_ENERGY,
    Ablation,
    check_consent,
    check_field_of_view,
    check_follow,
    check_learning,
    check_size,
    check_yaw,
)
from mggtalk.errors import OptionError
from mggtalk.runtime.cache import cache_folder

PATHS = (
    "adapter", "audio", "avatar", "background", "clip", "clips", "corpus", "csv", "driving", "encoder", "file",
    "motion", "out", "ply", "portrait", "speech", "tracks", "video", "voice",
    "weights",
)  # fmt: skip
"""Options that name files or folders."""

INPUTS = ("adapter", "audio", "avatar", "background", "clip", "driving", "motion", "portrait", "video", "voice")
"""Those that are read."""

OUTPUTS = ("out", "ply")
"""Those that are written."""

MOTION_SUFFIXES = (".npz", ".safetensors", ".csv")
"""Endings that ``track`` writes."""


def expand_paths(options: argparse.Namespace) -> None:
    """Put the home folder in the place of ``~``, which shells leave alone in ``--out=~/a.mp4``."""
    for name in PATHS:
        value = vars(options).get(name)
        if isinstance(value, str):
            setattr(options, name, os.path.expanduser(value))
        elif isinstance(value, list):
            setattr(options, name, [os.path.expanduser(entry) for entry in value])


def check_options(options: argparse.Namespace) -> None:
    """Check what was asked of a command, and open the files that it names.

    Raises:
        MGGTalkError: If a value is not allowed, a file is missing or of another kind, or the output cannot be written.
    """
    check_apart(options)
    check = CHECKS.get(options.run)
    if check is not None:
        check(options)


def check_apart(options: argparse.Namespace) -> None:
    """Refuse an output that is one of the inputs, or the other output.

    Raises:
        OptionError: If one is.
    """
    named: dict[str, list[Path]] = {}
    for name in (*INPUTS, *OUTPUTS):
        value = vars(options).get(name)
        if value is not None:
            named[name] = [Path(entry) for entry in (value if isinstance(value, list) else [value])]
    outputs = [name for name in OUTPUTS if name in named]
    for index, output in enumerate(outputs):
        for other in (*(name for name in INPUTS if name in named), *outputs[index + 1 :]):
            if any(_same(named[output][0], path) for path in named[other]):
                problem = f"--{output} and --{other} are the same file, {str(named[output][0])!r}."
                raise OptionError(problem, f"Give --{output} another name.")


def _same(first: Path, second: Path) -> bool:
    """Whether two paths lead to one file, links followed; names only where it is not there yet."""
    try:
        return first.samefile(second)
    except (OSError, ValueError):  # one is missing, or no file can have its name
        return os.path.realpath(first) == os.path.realpath(second) if "\0" not in f"{first}{second}" else False


def _check_video(options: argparse.Namespace) -> None:
    """Of ``reenact``, ``talk`` and ``orbit``."""
    from mggtalk.media import check_writable
    from mggtalk.media.badge import check_statement

    check_size(options.size)
    check_statement(options.no_badge)
    if options.run == "orbit":
        check_yaw(*options.yaw)
        if options.fov is not None:
            check_field_of_view(options.fov)
        if options.ply is not None:
            check_writable(options.ply, (".ply",))
    _check_output(options)
    if options.run in ("reenact", "talk"):
        check_follow(vars(options).get("regions", ["all"]), options.gaze)
    if options.device.split(":")[0] not in ("cpu", "cuda"):
        raise OptionError(f"Frames cannot be made on the device {options.device!r}.", "Use cpu or cuda.")
    if not 0.0 <= vars(options).get("energy", 1.0) <= MOST_ENERGY:
        raise OptionError(f"The energy is {options.energy:g}.", f"Choose 0 to {MOST_ENERGY:g}; 1 is natural.")
    _check_person(options)
    _check_whole(options)
    _check_performance(options)


def _check_whole(options: argparse.Namespace) -> None:
    """Look at what a whole picture can have, and at the drivers of its faces."""
    drivers = vars(options).get("drive")
    if vars(options).get("frame", "crop") != "whole":
        if drivers:
            raise OptionError(f"--drive {drivers[0]} is for a whole picture.", "Add --frame whole.")
        return
    if options.portrait is None:
        raise OptionError("--frame whole needs the picture itself.", "Give it as --portrait.")
    if len(options.portrait) > 1:
        raise OptionError(f"--frame whole takes one picture, not {len(options.portrait)}.", "Give one as --portrait.")
    others = {
        "--crop none": options.crop == "none",
        "--background": options.background is not None,
        "--pose absolute": vars(options).get("pose") == "absolute",
        "--face with --drive": bool(drivers) and options.face is not None,
    }
    for name, given in others.items():
        if given:
            raise OptionError(f"{name} does not go with --frame whole.", "Leave one of the two out.")
    if drivers:
        from mggtalk.photo.parts import check_part, read_parts

        for part in read_parts(drivers):
            check_part(part)
            if _same(Path(part.file), Path(options.out)):
                raise OptionError(f"--out and --drive are the same file, {options.out!r}.", "Give --out another name.")


def _check_output(options: argparse.Namespace) -> None:
    """Look at the kind of the output, and at what is to stand behind the person."""
    from mggtalk.media import check_writable
    from mggtalk.media.backdrop import NONE, check_backdrop
    from mggtalk.media.image import IMAGE_SUFFIXES
    from mggtalk.media.writers import check_clear, check_film

    if options.run == "live":
        check_writable(options.out, (".mp4",))
        return
    free = options.background == NONE
    if makes_still(options):
        check_clear(check_writable(options.out, IMAGE_SUFFIXES), free)
    else:
        check_film(options.out, free)
    if options.background is not None:
        check_backdrop(options.background)


def makes_still(options: argparse.Namespace) -> bool:
    """Whether a picture drives, and a picture is to be written: what it comes to."""
    from mggtalk.media.image import IMAGE_SUFFIXES
    from mggtalk.media.stills import is_still

    driving = options.driving if options.run == "reenact" else None
    return Path(options.out).suffix.lower() in IMAGE_SUFFIXES and driving is not None and is_still(Path(driving))


def _check_person(options: argparse.Namespace) -> None:
    """Look at the portrait, or at what was made of one, and at the depth estimator."""
    from mggtalk.media.tensor_files import check_tensor_file

    named = vars(options)
    if options.portrait is not None:
        check_portraits(options.portrait)
    for name in ("adapter", "avatar"):
        if named.get(name) is not None:
            check_tensor_file(named[name], name)
    if options.depth != "mesh":
        from mggtalk.depth.catalogue import check_choice

        check_choice(options.depth)


def check_portraits(pictures: list[str]) -> None:
    """Look at the photos of a person, before anything is loaded.

    Raises:
        OptionError: If there are too many.
        MediaError: If one cannot be read; of several it is named.
    """
    from mggtalk.media.image import check_image
    from mggtalk.media.several import check_count, name_photo

    check_count(len(pictures))
    for index, picture in enumerate(pictures):
        with name_photo(picture, index, len(pictures)):
            check_image(picture)


def _check_performance(options: argparse.Namespace) -> None:
    """Look at what drives the portrait."""
    from mggtalk.media import check_readable
    from mggtalk.media.tensor_files import check_tensor_file

    named = vars(options)
    motion = named.get("motion")
    if motion is not None and Path(motion).suffix.lower() == ".csv":
        check_readable(motion, "motion file")
    elif motion is not None:
        from mggtalk.motion.motion_arrays import read_motion_arrays

        read_motion_arrays(motion)
    if named.get("voice") is not None:
        check_tensor_file(options.voice, "voice")
    _check_driver(named.get("driving"), named.get("audio"))


def _check_prepare(options: argparse.Namespace) -> None:
    from mggtalk.media import check_writable

    check_writable(options.out, (".safetensors",))
    _check_person(options)


def _check_export(options: argparse.Namespace) -> None:
    from mggtalk.media import check_writable

    check_writable(options.out, (".html", ".json", ".ply"))
    _check_person(options)
    _check_performance(options)


def _check_dub(options: argparse.Namespace) -> None:
    from mggtalk.media import check_writable
    from mggtalk.media.badge import check_statement
    from mggtalk.media.tensor_files import check_tensor_file

    check_consent(options.consent)
    check_statement(options.no_badge)
    check_writable(options.out, (".mp4",))
    if options.adapter is not None:
        check_tensor_file(options.adapter, "adapter")
    elif options.minutes != 0:
        check_learning(options.minutes, 0.0)
    _check_driver(options.video, options.audio, picture=False)


def _check_live(options: argparse.Namespace) -> None:
    from mggtalk.media.camera import check_camera

    if not 0 < options.seconds <= 3600:
        raise OptionError(f"The length is {options.seconds:g} s.", "Give more than 0 and at most 3600.")
    _check_video(options)
    check_camera(options.camera)


def _check_track(options: argparse.Namespace) -> None:
    from mggtalk.media import check_writable

    check_writable(options.out, MOTION_SUFFIXES)
    _check_driver(options.driving)


def _check_learning(options: argparse.Namespace) -> None:
    """Of ``adapt`` and ``voice``."""
    from mggtalk.media import check_writable

    check_consent(options.consent)
    check_writable(options.out, (".safetensors",))
    if options.run == "adapt":
        check_learning(options.minutes, options.held_out)
    _check_driver(options.clip, options.clip if options.run == "voice" else None, picture=False)


def _check_clips(options: argparse.Namespace) -> None:
    """Of ``preprocess`` and ``evaluate``."""
    from mggtalk.media import check_readable
    from mggtalk.media.clips import VIDEO_SUFFIXES, find_clips
    from mggtalk.media.image import IMAGE_SUFFIXES

    if options.run == "measure":
        check_size(options.size)
        if options.mode == "person":
            check_consent(options.consent)
    else:
        from mggtalk.training.data.shard import Shard

        Shard.parse(options.shard)
    if options.run != "measure" or options.mode != "person":  # whose parts are others
        Ablation.of(part for part in options.ablate if part != "all" or options.run == "preprocess")
    if options.csv is not None:
        check_readable(options.csv, "table")
    find_clips(options.clips, options.csv, options.split, VIDEO_SUFFIXES + IMAGE_SUFFIXES)


def _check_train(options: argparse.Namespace) -> None:
    from mggtalk.training.recipes import SPEECH, changed, recipe
    from mggtalk.training.speech.config import SpeechTrainConfig

    spoken = options.recipe == SPEECH
    if spoken:
        changed(SpeechTrainConfig(), options.set)
        if options.steps is not None:
            raise OptionError("The recipe speech takes no steps: it is solved in closed form.", "Leave --steps out.")
    else:
        config = recipe(options.recipe, options.set)
        steps = config.steps if options.steps is None else options.steps
        if steps < 1:
            raise OptionError(f"The number of steps is {steps}.", "Give 1 or more.")
    for name in ("corpus", "clips", "speech", "tracks", "encoder"):
        folder = vars(options)[name]
        kept = name == "encoder" and folder is not None and (cache_folder() / folder).is_dir()  # fetched before
        if folder is not None and not kept and not Path(folder).is_dir():
            raise OptionError(f"There is no folder {folder!r} for --{name}.", "Check the name.")
    Ablation.of(options.ablate)
    if spoken and options.clips is None:
        raise OptionError("The recipe 'speech' has no clips.", "Give a folder of videos with --clips.")
    if not spoken and options.corpus is None:
        raise OptionError(f"The recipe {options.recipe!r} has no corpus.", "Give what 'preprocess' wrote as --corpus.")


def _check_doctor(options: argparse.Namespace) -> None:
    if options.fetch is not None:
        from mggtalk.depth.catalogue import split_choice

        split_choice(options.fetch)


def _check_verify(options: argparse.Namespace) -> None:
    from mggtalk.media import check_readable

    check_readable(options.file, "file")


def _check_sign(options: argparse.Namespace) -> None:
    from mggtalk.media import check_readable

    for path, what in ((options.file, "file"), (options.certificate, "certificate"), (options.key, "key")):
        check_readable(path, what)


def _check_driver(video: str | None, speech: str | None = None, picture: bool = True) -> None:
    """Open a driving video, or a picture where one will do, and listen to the speech."""
    from mggtalk.media import check_readable, check_speech, open_video
    from mggtalk.media.image import check_image
    from mggtalk.media.sound import level_of, read_sound
    from mggtalk.media.stills import is_still

    if video is not None and picture and is_still(check_readable(video, "driver")):
        check_image(video)
    elif video is not None:
        open_video(video).close()
    if speech is not None:
        check_speech(level_of(read_sound(speech), 16000))


CHECKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "reenact": _check_video,
    "talk": _check_video,
    "orbit": _check_video,
    "prepare": _check_prepare,
    "export": _check_export,
    "dub": _check_dub,
    "live": _check_live,
    "track": _check_track,
    "adapt": _check_learning,
    "voice": _check_learning,
    "preprocess": _check_clips,
    "measure": _check_clips,
    "train": _check_train,
    "doctor": _check_doctor,
    "verify": _check_verify,
    "sign": _check_sign,
}
"""By the name of the function that runs the command."""
