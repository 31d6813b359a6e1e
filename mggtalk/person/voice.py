"""How the person of a clip moves the lips when speaking, learned from the same clip as the head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import MGGTalkError
from mggtalk.media import load_sound
from mggtalk.motion.retarget import close_lips, retarget
from mggtalk.person.footage import Clip, Footage
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion, select
from mggtalk.speech.features import record
from mggtalk.speech.hearing import understand
from mggtalk.speech.voice_file import OwnVoice
from mggtalk.training.speech.clips import SpeechClip
from mggtalk.training.speech.speaker import fit_voice, in_time


class Learned(NamedTuple):
    """The voice of a clip, or why there is none."""

    voice: OwnVoice | None
    lag: float  # frames of the clip by which its sound is late
    note: str


def learn_voice(
    pipe: MGGTalkPipeline, path: str | Path, clip: Clip, avatar: Avatar, on_progress: Progress = no_progress
) -> Learned:
    """Fit a voice to the seconds of a clip that are learned from.

    Args:
        pipe: Its audio prior stays as it is.
        path: The clip.
        clip: What was seen in it.
        avatar: Of the person.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        The voice; none where nobody speaks, or lips and sound do not go together, and the note says so.
    """
    prior, ears = pipe.lip_prior()
    if prior.untrained or clip.whole is None:
        return Learned(None, 0.0, "no voice was learned: these weights have no trained audio prior")
    on_progress("voice", 0, 2)
    try:
        spoken = in_time(hear_clip(pipe, path, clip, avatar), prior, pipe.face_model, ears)
        on_progress("voice", 1, 2)
        voice = fit_voice(prior, spoken, pipe.face_model)
    except MGGTalkError as error:
        return Learned(None, 0.0, f"no voice was learned: {error}")
    finally:
        on_progress("voice", 2, 2)
    note = f"the voice is learned as well; the sound of the clip is late by {spoken.lag:+.0f} frames"
    return Learned(OwnVoice(voice, prior.config.encoder), spoken.lag, note)


def hear_clip(pipe: MGGTalkPipeline, path: str | Path, clip: Clip, avatar: Avatar) -> SpeechClip:
    """The seconds of a clip that are learned from as somebody who speaks, with the avatar's identity.

    Raises:
        MGGTalkError: If there is no sound or no speech.
    """
    assert clip.whole is not None
    sound = load_sound(Path(path))
    speech = understand(record(sound))
    seen = retarget(clip.whole, avatar, "absolute", pipe.face_model)
    count = min(len(seen), round(clip.seconds * seen.fps))
    rest = close_lips(pipe.face_model, avatar.identity, avatar.expression)
    return SpeechClip(
        name=Path(path).name,
        speaker="",
        fps=seen.fps,
        expression=seen.expression[:count],
        identity=avatar.identity,
        rotation=seen.rotation[:count],
        translation=seen.translation[:count],
        rest=rest,
        sources=rest[None],
        sound=sound,
        phones=() if speech.track is None else speech.track.phones,
        trust=speech.trust,
        heard=(),
    )


def say(
    pipe: MGGTalkPipeline, path: str | Path, clip: Clip, avatar: Avatar, footage: Footage, learned: Learned
) -> Motion:
    """Frames of a clip as its sound moves the avatar, in their true poses.

    Args:
        pipe: Listens.
        path: The clip.
        clip: What was seen in it.
        avatar: Of the person.
        footage: The frames.
        learned: Voice and lag; without a voice that of nobody is taken.

    Raises:
        MGGTalkError: If there is no sound.
    """
    spoken = speak_all(pipe, path, clip, avatar, learned)
    true = footage.driving(avatar, pipe)
    chosen = select(spoken, list(footage.places), true.fps)
    return replace(true, expression=chosen.expression)


def speak_all(pipe: MGGTalkPipeline, path: str | Path, clip: Clip, avatar: Avatar, learned: Learned) -> Motion:
    """Every frame of a clip as its sound moves the avatar. See :func:`say`."""
    assert clip.whole is not None
    own = learned.voice
    made = pipe.listen(path, voice=None if own is None else own.voice)
    moments = (np.arange(len(clip.whole)) + learned.lag) / clip.whole.fps * made.fps
    frames = np.round(moments).astype(int).clip(0, len(made) - 1)
    return retarget(select(made, frames.tolist(), clip.whole.fps), avatar, "relative", pipe.face_model)
