"""The commands, run once :mod:`mggtalk.cli.checks` has let their options pass. They return lines for the user."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.cli.checks import makes_still
from mggtalk.depth.catalogue import download
from mggtalk.errors import OptionError
from mggtalk.evaluation import EvaluationConfig, evaluate, markdown
from mggtalk.evaluation.methods import make_methods
from mggtalk.media.clips import VIDEO_SUFFIXES, find_clips
from mggtalk.media.image import IMAGE_SUFFIXES, save_image
from mggtalk.media.verify import verify as verify_file
from mggtalk.media.watermark import THRESHOLD
from mggtalk.media.writers import film_notes
from mggtalk.motion.arkit import CSV_SUFFIX, save_arkit_csv
from mggtalk.motion.motion_file import save_motion
from mggtalk.motion.retarget import PoseMode
from mggtalk.motion.style import Style
from mggtalk.performance import (
    Performance,
    around,
    from_motion_file,
    from_speech,
    from_video,
    read_motion,
    with_head_of,
)
from mggtalk.person.load import load_adapter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.devices import check_device
from mggtalk.runtime.files import whole_file
from mggtalk.runtime.progress import Progress
from mggtalk.runtime.quiet import quiet_stderr
from mggtalk.scene import Gaussians
from mggtalk.speech.audio_prior import Voice
from mggtalk.speech.voice_file import load_voice


def reenact(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Drive a portrait by a video or a motion file.

    Args:
        options: Of the command line.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        Lines for the user: notes, then the paths written.
    """
    if options.frame == "whole":
        from mggtalk.cli.whole import animate_whole

        return animate_whole(load_pipeline(options), options, on_progress, drive)
    pipe, avatar = open_portrait(options, on_progress)
    performance = drive(pipe, options, on_progress, avatar.voice)
    return write_video(pipe, avatar, performance, options.pose, options, on_progress)


def talk(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Drive a portrait by speech, and its head by a motion file if there is one. Like :func:`reenact`."""
    if options.frame == "whole":
        from mggtalk.cli.whole import animate_whole

        return animate_whole(load_pipeline(options), options, on_progress, speak)
    pipe, avatar = open_portrait(options, on_progress)
    performance = speak(pipe, options, on_progress, avatar.voice)
    return write_video(pipe, avatar, performance, "relative", options, on_progress)


def orbit(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Show a portrait from a moving viewpoint, still or driven. Like :func:`reenact`."""
    pipe, avatar = open_portrait(options, on_progress)
    driven = any((options.driving, options.audio, options.motion))
    performance = drive(pipe, options, on_progress, avatar.voice) if driven else None
    performance = around(pipe, avatar, options.yaw, performance)
    lines = write_video(pipe, avatar, performance, "absolute", options, on_progress, options.fov)
    if options.ply is not None:
        save_ply(pipe.splat(avatar, performance.motion[0]), Path(options.ply))
        lines.append(options.ply)
    return lines


def prepare(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Prepare a portrait and keep it as a file. Like :func:`reenact`."""
    pipe = load_pipeline(options)
    avatar = pipe.prepare(options.portrait, options.crop, options.face, on_progress, options.depth, options.points)
    avatar.with_(consent=options.consent).save(options.out, portrait=not options.without_portrait)
    return [*as_notes(avatar.notes), options.out]


def export(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Write a head that lives in a web page, or its splats. Like :func:`reenact`."""
    from mggtalk.cli.export import export_head

    pipe, avatar = open_portrait(options, on_progress)
    driven = any((options.driving, options.audio, options.motion))
    performance = drive(pipe, options, on_progress, avatar.voice) if driven else None
    avatar = avatar if options.consent is None else avatar.with_(consent=options.consent)
    return [*as_notes(avatar.notes), *export_head(pipe, avatar, performance, options.out, on_progress)]


def dub(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Put other words into the mouth of a film's person. Like :func:`reenact`."""
    from mggtalk.cli.dub import dub_film

    on_progress("load", 0, 1)
    film = dub_film(load_pipeline(options), options, on_progress)
    film.save(options.out, options.no_badge)
    return [*as_notes(film.notes), options.out]


def live(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Let a portrait follow a camera, and record it. Like :func:`reenact`."""
    from mggtalk.cli.live import record_live

    pipe, avatar = open_portrait(options, on_progress)
    return [*as_notes(avatar.notes), *record_live(pipe, avatar, options, on_progress)]


def track(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Turn a driving video into a motion file. Like :func:`reenact`."""
    pipe = load_pipeline(options)
    motion = pipe.track(options.driving, options.driver_face, on_progress)
    if Path(options.out).suffix.lower() == CSV_SUFFIX:
        save_arkit_csv(motion, pipe.face_model, options.out)
    else:
        save_motion(motion, options.out)
    return [*as_notes(motion.notes), options.out]


def preprocess(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Turn a folder of videos and pictures into a corpus; the lines say what was stored, what was refused and why."""
    from mggtalk.training.data.preprocess import PreprocessConfig, preprocess
    from mggtalk.training.data.shard import Shard

    config = PreprocessConfig(
        every=options.every, sources=options.sources, mirror=options.mirror, ablations=tuple(options.ablate)
    )
    summary = preprocess(
        [clip.path for clip in find_clips(options.clips, options.csv, options.split, VIDEO_SUFFIXES + IMAGE_SUFFIXES)],
        options.out,
        config,
        options.tracks,
        Shard.parse(options.shard),
        options.workers,
        options.weights,
        on_progress,
    )
    refused = [f"note: {name} is refused: {reason}" for name, reason in summary.refused.items()]
    return [*refused, f"{options.out}: {len(summary.stored)} clips stored, {len(refused)} refused"]


def train(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Train the learned residuals, from the last checkpoint if there is one."""
    from mggtalk.cli.train import train_corpus

    return train_corpus(options, on_progress)


def adapt(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Learn an avatar of one person from a clip; the lines say what it gains on the seconds held out."""
    from mggtalk.cli.adapt import adapt_to_clip

    with nullcontext() if options.verbose else quiet_stderr():
        pipe = MGGTalkPipeline.from_pretrained(options.weights, prior=options.prior)
    return adapt_to_clip(pipe, options, on_progress)


def voice(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Learn how one person moves the lips."""
    from mggtalk.cli.voice import learn_voice

    on_progress("load", 0, 1)
    return learn_voice(load_pipeline(options), options, on_progress)


def measure(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """Evaluate reenactment on a folder of clips; the lines are the report."""
    if options.mode == "person":
        from mggtalk.cli.adapt import measure_heads

        return measure_heads(load_pipeline(options), options, on_progress)
    with nullcontext() if options.verbose else quiet_stderr():
        methods = make_methods(
            options.weights,
            options.prior,
            options.compare is not None,
            options.ablate,
            options.noise,
            options.also,
            options.mode in ("audio", "fixed-pose"),
            options.photos,
        )
    evaluation = evaluate(
        methods,
        options.clips,
        options.csv,
        options.out,
        EvaluationConfig(
            options.every,
            options.size,
            options.split,
            options.mode,
            tuple(options.metrics),
            options.frames,
            options.portrait_frame,
            options.photos,
        ),
        on_progress,
    )
    return markdown(evaluation).splitlines()


def doctor(options: argparse.Namespace, on_progress: Progress) -> list[str]:
    """List the models, after fetching one if that is asked for."""
    from mggtalk.cli.doctor import report

    if options.fetch is not None:
        download(options.fetch, on_progress)
    return report()


def verify(options: argparse.Namespace, _: Progress) -> list[str]:
    """Look for what says that a file is AI-made: metadata and watermark. Without either it is an error."""
    verification = verify_file(options.file)
    mark, watermark, credentials = verification
    score = "there is no picture" if watermark is None else f"score {watermark.score:.1f}, {THRESHOLD:g} or more counts"
    if not verification.found:
        raise OptionError(
            f"{options.file!r} carries no mark of MGGTalk, neither in its metadata nor as a watermark ({score}).",
            "Look elsewhere: it was not made by MGGTalk, or it was changed too much.",
        )
    found = "found" if watermark is not None and watermark.found else "not found"
    lines = [f"{options.file}", f"metadata: {mark or 'no mark'}", f"watermark: {found} ({score})"]
    if credentials is not None:
        state = "unchanged since" if credentials.intact else "CHANGED SINCE"
        lines.append(f"signed by {credentials.signer} (made by {credentials.made_by}; {state} it was signed)")
    return lines


def sign(options: argparse.Namespace, _: Progress) -> list[str]:
    """Add a signed statement of C2PA to a file that this package made."""
    from mggtalk.media.credentials import sign as sign_file

    sign_file(options.file, options.certificate, options.key)
    return [options.file]


def load_pipeline(options: argparse.Namespace) -> MGGTalkPipeline:
    """Load the pipeline that the options name, onto the device that they name."""
    device = check_device(vars(options).get("device", "cpu"))
    with nullcontext() if options.verbose else quiet_stderr():
        pipe = MGGTalkPipeline.from_pretrained(options.weights, prior=options.prior)
        return pipe if device.type == "cpu" else pipe.to(device, torch.bfloat16)


def open_portrait(options: argparse.Namespace, on_progress: Progress) -> tuple[MGGTalkPipeline, Avatar]:
    """Load the pipeline and prepare the portrait, or the avatar that was learned from a clip."""
    on_progress("load", 0, 1)
    pipe = load_pipeline(options)
    if options.adapter is not None:
        return pipe, load_adapter(pipe, options.adapter, on_progress)
    if options.avatar is not None:
        return pipe, pipe.load_avatar(options.avatar)
    return pipe, pipe.prepare(options.portrait, options.crop, options.face, on_progress, options.depth, options.points)


def drive(
    pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress, own: Voice | None = None
) -> Performance:
    """The performance that the options name: a video, a recording in a person's own voice, or a motion file."""
    if options.driving is not None:
        return from_video(pipe, options.driving, options.driver_face, on_progress)
    if options.motion is not None:
        return from_motion_file(pipe, options.motion)
    return _from_audio(pipe, options, on_progress, own)


def speak(
    pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress, own: Voice | None = None
) -> Performance:
    """The performance of ``talk``, in a person's own voice where no other is named."""
    voice = own if options.voice is None else load_voice(options.voice, pipe.lip_prior()[0].config)
    performance = _from_audio(pipe, options, on_progress, voice)
    if options.motion is None:
        return performance
    poses = read_motion(pipe, options.motion)
    return performance._replace(motion=with_head_of(performance.motion, poses))


def _from_audio(
    pipe: MGGTalkPipeline, options: argparse.Namespace, on_progress: Progress, voice: Voice | None
) -> Performance:
    """The performance of the recording that the options name."""
    manner = replace(pipe.config.speech, energy=options.energy, listener=options.listener)
    return from_speech(pipe, options.audio, options.seed, options.language, on_progress, manner, voice)


def write_video(
    pipe: MGGTalkPipeline,
    avatar: Avatar,
    performance: Performance,
    pose: PoseMode,
    options: argparse.Namespace,
    on_progress: Progress,
    field_of_view: float | None = None,
) -> list[str]:
    """Render and write the video.

    Returns:
        Notes on portrait and motion, then the path.
    """
    motion, sound = performance
    style = Style(regions=tuple(vars(options).get("regions", ("all",))), gaze=vars(options).get("gaze", "driver"))
    video = pipe.animate(avatar, motion, options.size, pose, sound, on_progress, style, field_of_view)
    if options.background is not None:
        video = video.with_background(options.background)
    written = Path(options.out)
    if makes_still(options):
        save_image(written, video.frame(video.motion[-1]), options.no_badge)
    else:
        written = video.save(written, no_badge=options.no_badge)
    return [*as_notes((*avatar.notes, *motion.notes, *film_notes(options.out, sound))), str(written)]


def as_notes(notes: Iterable[str]) -> list[str]:
    """Mark lines as remarks, to be told from results."""
    return [f"note: {note}" for note in notes]


def save_ply(splats: Gaussians, path: Path) -> None:
    """Write splats; the file appears when it is complete."""
    with whole_file(path) as partial:
        splats.save_ply(str(partial))
