"""Options of the command line: their types, and the parser that reports on one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from mggtalk.config import CONSENT, GAZES, NO_BADGE_STATEMENT
from mggtalk.errors import OptionError
from mggtalk.face.points import POINTS


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are :class:`OptionError`, so that they take one line like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed with the usage.

        Raises:
            OptionError: Always.
        """
        raise OptionError(f"{message[:1].upper()}{message[1:]}.", f"See '{self.prog} --help'.")


def attach_dashed_values(arguments: Sequence[str], options: Sequence[str] = ("--yaw",)) -> list[str]:
    """Let values begin with a dash: ``--yaw -30:30`` becomes ``--yaw=-30:30``.

    Args:
        arguments: The command line.
        options: Long options with a value that may be negative.

    Returns:
        The command line for argparse, which would take ``-30:30`` for an option.
    """
    attached: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in options and rest:
            word = f"{word}={rest.pop(0)}"
        attached.append(word)
    return attached


def yaw_range(text: str) -> tuple[float, float]:
    """Read two angles, ``-30:30``.

    Raises:
        argparse.ArgumentTypeError: If they are not two numbers.
    """
    return _two_numbers(text, ":", "a range of degrees, as in -30:30")


def point(text: str) -> tuple[float, float]:
    """Read a place in a picture, ``120,80``.

    Raises:
        argparse.ArgumentTypeError: If it is not two numbers.
    """
    return _two_numbers(text, ",", "a place in pixels, as in 120,80")


def _two_numbers(text: str, between: str, what: str) -> tuple[float, float]:
    """Two numbers with a sign between them, or an error that says what they should be."""
    try:
        first, second = (float(part) for part in text.split(between))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from error
    return first, second


def language_code(text: str) -> str | None:
    """Read a language: ``auto`` is None."""
    return None if text == "auto" else text


def add_portrait(parser: argparse.ArgumentParser) -> None:
    """Add what is known about the portrait."""
    person = parser.add_mutually_exclusive_group(required=True)
    person.add_argument(
        "--portrait",
        nargs="+",
        metavar="PICTURE",
        help="JPEG, PNG, WebP, HEIC, AVIF, ... of one person; up to 8, the main one first: teeth, shut eyes and sides "
        "that it does not show come from the others",
    )
    person.add_argument("--avatar", metavar="A.safetensors", help="what 'prepare' kept of a portrait, in its place")
    person.add_argument("--adapter", metavar="A.safetensors", help="what 'adapt' learned from a clip, in its place")
    add_preparation(parser)


def add_preparation(parser: argparse.ArgumentParser) -> None:
    """Add how a portrait is prepared."""
    parser.add_argument(
        "--crop",
        choices=("auto", "none"),
        default="auto",
        help="auto: a head-and-shoulders square; none: keep the field of view of a square picture",
    )
    parser.add_argument("--face", type=int, metavar="N", help="which face of the portrait, counted from 0 on the left")
    parser.add_argument(
        "--points",
        nargs="+",
        type=point,
        metavar="X,Y",
        help="place a face that is not found (a painting, a statue): pixels of, in this order, "
        + ", ".join(name for name, _ in POINTS)
        + "; left and right as seen, the last two may be left out",
    )
    parser.add_argument(
        "--depth",
        default="mesh",
        metavar="NAME[=FOLDER]",
        help="depth estimator, as 'doctor' lists them (default mesh, embedded); what is not here is downloaded",
    )


def add_speech(parser: argparse.ArgumentParser) -> None:
    """Add how speech is turned into motion."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of head motion and blinks (default 0)")
    parser.add_argument(
        "--language",
        type=language_code,
        metavar="CODE",
        help="en: English phones; another code: loudness; auto: decide by the recording (default)",
    )
    parser.add_argument(
        "--energy",
        type=float,
        default=1.0,
        metavar="X",
        help="how lively lips, head and brows are, 0 to 2 (default 1)",
    )
    parser.add_argument(
        "--listener", action="store_true", help="the head listens to the recording, it does not speak it"
    )


def add_driver(
    parser: argparse.ArgumentParser, video: str, speech: str = "", required: bool = False, several: bool = False
) -> None:
    """Add what drives the portrait, one of several.

    Args:
        parser: Gets the options.
        video: Which video, after that word.
        speech: Which recording, if one may be given.
        required: Whether one must be given.
        several: Whether each of several faces may have its own.
    """
    driver = parser.add_mutually_exclusive_group(required=required)
    driver.add_argument("--driving", metavar="VIDEO|PICTURE", help=f"video {video}, or a picture")
    if speech:
        driver.add_argument("--audio", metavar="SPEECH", help=f"recording {speech}, in its place")
    driver.add_argument("--motion", metavar="MOTION.npz", help="motion file, in its place")
    if several:
        driver.add_argument(
            "--drive",
            action="append",
            metavar="FACE=FILE[@SECONDS]",
            help="with --frame whole: the driver (video, recording or motion file) of one of several faces, counted "
            "from 0 on the left, and when it starts; may be given for each face. FACE=listener:RECORDING: that face "
            "hears it",
        )
    add_driver_face(parser)


def add_clip(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the clip that is learned from, and the consent that this needs."""
    parser.add_argument("--clip", required=True, metavar="VIDEO", help=about)
    parser.add_argument("--consent", metavar="STATEMENT", help=f'must be "{CONSENT}"')


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the table of a folder of clips."""
    parser.add_argument("--csv", metavar="FILE", help="table with the columns clip and split that chooses among them")


def add_driver_face(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the driver."""
    parser.add_argument(
        "--driver-face", type=int, metavar="N", help="which face of the driving video, counted from 0 on the left"
    )


def add_gaze(parser: argparse.ArgumentParser) -> None:
    """Add where the eyes look."""
    parser.add_argument(
        "--gaze", choices=GAZES, default=GAZES[0], help="camera: the eyes keep looking into it, however the head turns"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add what is written."""
    parser.add_argument(
        "--out", required=True, metavar="VIDEO.mp4", help="the video to write; its ending says which kind"
    )
    parser.add_argument("--size", type=int, default=512, metavar="PIXELS", help="side of the frames (default 512)")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda", help="where the frames are made (default cpu)")
    add_badge(parser)


def add_badge(parser: argparse.ArgumentParser) -> None:
    """Add how the visible badge is left out."""
    parser.add_argument(
        "--no-badge", metavar="STATEMENT", help=f'leave the visible badge out; STATEMENT must be "{NO_BADGE_STATEMENT}"'
    )


def add_frame(parser: argparse.ArgumentParser) -> None:
    """Add what of the picture is seen."""
    parser.add_argument(
        "--frame",
        choices=("crop", "whole"),
        default="crop",
        help="crop: a square around the head (default); whole: the head moves in the whole picture, at its own size",
    )


def add_background(parser: argparse.ArgumentParser) -> None:
    """Add what stands behind the person."""
    parser.add_argument(
        "--background",
        metavar="none|#rrggbb|PICTURE",
        help="instead of the portrait's: none is transparent and needs .webm, .mov, .webp, .gif or .png (numbered)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add which weights are used, and how much is said."""
    parser.add_argument("--prior", action="store_true", help="leave the learned residuals off")
    add_weights(parser)


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add where the weights are, and how much is said."""
    parser.add_argument("--weights", metavar="FOLDER", help="folder or hub id; default: the weights of the package")
    add_verbose(parser)


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add how much is said."""
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens")
