"""A whole photo in motion: each person's frames go back into the picture, and all else stays as it is.

::

    out = (1 - m) out + m F,        m = border * change * presence

F are the frames of a person's square. ``change`` is 1 where the head is or was and where the torso moves; ``border``
is 0 at the square's border, where nothing moves; ``presence`` is 0 while the person rests. Whoever is nearer, with the
larger face, is laid over the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageChops

from mggtalk.animate.animator import Animator
from mggtalk.animate.coverage import ChangeCoverage
from mggtalk.animate.talking_video import save_film
from mggtalk.errors import OptionError
from mggtalk.face.crop import SquareCrop
from mggtalk.media.sound import Sound, load_sound
from mggtalk.motion.driver import check_fits
from mggtalk.motion.style import Style, perform
from mggtalk.motion.timing import EASE, ease, resample
from mggtalk.photo.people import Photo, Sitter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion

LEAST_SIZE = 128
"""Least side of the frames that are made of a person; they are scaled to the person's square."""

RATE = 48000
"""Sampling rate of several sounds together, Hz."""

MOST_FPS = 60.0


class Role(NamedTuple):
    """What a person does."""

    motion: Motion  # the driver's
    sound: str | Path | None = None
    start: float = 0.0  # seconds


class Actor(NamedTuple):
    """A person with something to do, in frames of the whole video."""

    animator: Animator  # its frames have a fourth channel
    window: SquareCrop
    border: Image.Image  # 255 inside the window, 0 at its border
    motion: Motion  # put on the avatar, with its ways from rest and back
    first: int  # frame in which it begins
    presence: np.ndarray  # [n] in [0, 1], for each frame of the motion


@dataclass(frozen=True)
class PhotoVideo:
    """A photo in motion; each pass over it renders its frames anew."""

    photo: Photo
    actors: tuple[Actor, ...]  # the farthest first
    frames: int
    fps: float
    sound: str | Path | Sound | None = None
    on_progress: Progress = no_progress
    transparent: bool = False

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames, uint8 ``[H, W, 3]``."""
        playing: list[Iterator[np.ndarray] | None] = [None] * len(self.actors)
        for index in range(self.frames):
            frame = Image.fromarray(self.photo.picture)
            for number, actor in enumerate(self.actors):
                moment = index - actor.first
                if 0 <= moment < len(actor.motion):
                    made = playing[number] or actor.animator.frames(actor.motion)
                    playing[number] = made
                    put_back(frame, next(made), actor, float(actor.presence[moment]))
            yield np.array(frame)  # [H, W, 3]
            self.on_progress("render", index + 1, self.frames)

    def frame(self, index: int) -> np.ndarray:
        """One frame alone, uint8 ``[H, W, 3]``."""
        picture = Image.fromarray(self.photo.picture)
        for actor in self.actors:
            moment = index - actor.first
            if 0 <= moment < len(actor.motion):
                made = actor.animator.frame(actor.motion[moment])
                put_back(picture, made, actor, float(actor.presence[moment]))
        return np.array(picture)  # [H, W, 3]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.photo.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.photo.height

    def save(self, path: str | Path, sound: str | Path | Sound | None = None, no_badge: str | None = None) -> Path:
        """Write the video, see :meth:`mggtalk.animate.talking_video.TalkingVideo.save`."""
        return save_film(self, path, self.width, self.height, sound or self.sound, no_badge)


def put_back(frame: Image.Image, made: np.ndarray, actor: Actor, presence: float) -> None:
    """Lay a person's frame over the photo.

    Args:
        frame: The photo, changed.
        made: uint8 ``[s, s, 4]``, the person's square and how far it can differ from the photo.
        actor: The person.
        presence: How far the person is not at rest, in [0, 1].
    """
    x0, y0, side = (int(value) for value in actor.window)
    size, smooth = (side, side), Image.Resampling.BICUBIC
    share = ImageChops.multiply(Image.fromarray(made[..., 3]).resize(size, smooth), actor.border)
    if presence < 1.0:
        share = share.point([round(presence * value) for value in range(256)])
    box = share.getbbox()
    if box is None:
        return
    picture = Image.fromarray(np.ascontiguousarray(made[..., :3]))
    scale = made.shape[0] / side
    part = picture.resize((box[2] - box[0], box[3] - box[1]), smooth, tuple(scale * edge for edge in box))
    frame.paste(part, (x0 + box[0], y0 + box[1]), share.crop(box))


def animate_photo(
    pipe: MGGTalkPipeline,
    photo: Photo,
    sitters: Mapping[int, Sitter],
    roles: Mapping[int, Role],
    style: Style = Style(),  # noqa: B008  an immutable tuple
    on_progress: Progress = no_progress,
) -> PhotoVideo:
    """Let people in a photo move, each by a driver of its own; the others stay as they are.

    Args:
        pipe: Makes the frames.
        photo: From :func:`mggtalk.photo.people.open_photo`.
        sitters: From :func:`mggtalk.photo.people.prepare_sitter`, by any key.
        roles: What each of them does, by the same keys.
        style: Strength of poses and expressions, and smoothing.
        on_progress: Called with stage, frames done and frames in all.

    Returns:
        A video of the photo's size, at the highest frame rate of the drivers, as long as the longest part.

    Raises:
        OptionError: If nobody moves, or a motion belongs to another face model.
    """
    if not roles:
        raise OptionError("Nobody in the photo is driven.", "Give a driver for one face or more.")
    fps = min(max(role.motion.fps for role in roles.values()), MOST_FPS)
    starts = {key: round(role.start * fps) for key, role in roles.items()}
    motions = {key: resample(role.motion, fps) for key, role in roles.items()}
    frames = max(starts[key] + len(motion) for key, motion in motions.items())
    actors = []
    for key in sorted(roles, key=lambda key: sitters[key].window.side):
        sitter, motion = sitters[key], motions[key]
        check_fits(motion, pipe.face_model.version, pipe.config.render.focal_ratio)
        motion = perform(motion, sitter.avatar, pipe.face_model, "relative", style)
        actors.append(make_actor(pipe, sitter, motion, starts[key], frames))
    return PhotoVideo(photo, tuple(actors), frames, fps, mix_sounds(list(roles.values()), frames / fps), on_progress)


def make_actor(pipe: MGGTalkPipeline, sitter: Sitter, motion: Motion, start: int, frames: int) -> Actor:
    """Give a person its frames.

    Args:
        pipe: Makes them.
        sitter: The person.
        motion: Put on its avatar.
        start: Frame of the video in which the motion begins.
        frames: Of the video.
    """
    way = round(EASE * motion.fps)
    before, after = min(way, start), min(way, frames - start - len(motion))
    presence = np.ones(before + len(motion) + after, np.float32)
    presence[:before] = np.minimum(1.0, 3.0 * np.arange(before) / max(way, 1))
    presence[len(presence) - after :] = np.minimum(1.0, 3.0 * np.arange(after)[::-1] / max(way, 1))
    prepared = PORTRAIT_SIZE if sitter.avatar.fine is None else sitter.avatar.fine.shape[0]
    size = int(np.clip(2 * round(sitter.window.side / 2), LEAST_SIZE, prepared))
    animator = pipe.animator(sitter.avatar, size)
    with torch.inference_mode():
        own = animator.head_alpha(sitter.avatar.source)
    source, ratio = animator.avatar.source, animator.focal_ratio
    coverage = ChangeCoverage(animator.plates, source, ratio, animator.oversampling, own)
    animator = animator.before(animator.plates.background, coverage)
    eased = ease(motion, sitter.avatar.source, before, after)
    side = int(sitter.window.side)
    border = Image.fromarray((255.0 * sitter.border + 0.5).astype(np.uint8)).resize((side, side))
    return Actor(animator, sitter.window, border, eased, start - before, presence)


def mix_sounds(roles: list[Role], seconds: float) -> str | Path | Sound | None:
    """What is heard: one recording as it is, or all of them at their times."""
    heard = [role for role in roles if role.sound is not None]
    if not heard:
        return None
    if len(heard) == 1 and heard[0].start == 0.0:
        return heard[0].sound
    mixed = np.zeros(round(seconds * RATE), np.float32)
    for role in heard:
        assert role.sound is not None
        samples = load_sound(role.sound, RATE).samples
        first = round(role.start * RATE)
        room = mixed[first : first + len(samples)]
        room += samples[: len(room)]
    return Sound(mixed / max(1.0, float(np.abs(mixed).max())), RATE)
