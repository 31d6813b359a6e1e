"""The clip that an avatar learns from: its frames as squares around the person, and what moves in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy.cluster.vq import kmeans2

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError
from mggtalk.face.crop import CropMode, SquareCrop, choose_crop
from mggtalk.geometry import compose_similarities, invert_similarity
from mggtalk.media import open_video
from mggtalk.motion.retarget import most_alike, retarget
from mggtalk.person.shots import own_shots
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion, select

LEAST_FRAMES = 24
"""Frames with a face that a clip must have."""

LEAST_SECONDS, MOST_SECONDS = 10.0, 120.0
"""Length of a clip that serves best."""

MOST_FRAMES = 400
"""Frames that are kept of a part of a clip, evenly spread."""

SIDE = 256
"""Side of the kept frames, pixels."""


@dataclass(frozen=True)
class Footage:
    """T frames of one person in a square window that does not move."""

    frames: np.ndarray  # uint8 [T, SIDE, SIDE, 3]
    motion: Motion  # as tracked, landmarks in pixels of a window of side PORTRAIT_SIZE
    places: tuple[int, ...] = ()  # which frames of the clip they are
    portraits: Motion | None = None  # of the frames that may be the portrait: shoulders are counted from them

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def landmarks(self) -> np.ndarray:
        """``[T, V, 2]`` in pixels of the kept frames."""
        assert self.motion.landmarks is not None
        return self.motion.landmarks[..., :2].float().numpy() * (SIDE / PORTRAIT_SIZE)

    def some(self, count: int) -> Footage:
        """Frames that are evenly spread, ``count`` at most."""
        index = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)
        places = tuple(self.places[i] for i in index) if self.places else ()
        return Footage(self.frames[index], select(self.motion, index.tolist(), self.motion.fps), places, self.portraits)

    def driving(self, avatar: Avatar, pipe: MGGTalkPipeline) -> Motion:
        """The motion with the avatar's identity, absolute, without landmarks."""
        motion = retarget(self.motion, avatar, "absolute", pipe.face_model).with_(landmarks=None)
        if self.portraits is None or self.portraits.torso is None or self.motion.torso is None:
            return motion
        shown = most_alike(retarget(self.portraits, avatar, "absolute", pipe.face_model), avatar)
        torso = compose_similarities(self.motion.torso, invert_similarity(self.portraits.torso[shown]))  # [T, 2, 3]
        return motion.with_(torso=torso)


class Candidate(NamedTuple):
    """A frame that may stand for the person."""

    picture: np.ndarray  # uint8 [PORTRAIT_SIZE, PORTRAIT_SIZE, 3]
    landmarks: np.ndarray  # [V, 2] in its pixels


@dataclass(frozen=True)
class Clip:
    """A clip, cut into what is learned from and what is only measured."""

    learned: Footage
    held_out: Footage | None
    candidates: tuple[Candidate, ...]  # frames that may become the portrait, the first frame of the clip first
    seconds: float  # of what is learned
    whole: Motion | None = None  # every frame of the clip, as in the footage
    notes: tuple[str, ...] = ()  # what the user should know

    def whole_expression(self, avatar: Avatar, pipe: MGGTalkPipeline) -> torch.Tensor:
        """Expressions ``[T, K]`` of every frame, with the avatar's identity."""
        assert self.whole is not None
        return retarget(self.whole, avatar, "absolute", pipe.face_model).expression


def open_clip(
    pipe: MGGTalkPipeline,
    path: str | Path,
    held_out: float = 0.0,
    crop: CropMode = "auto",
    face: int | None = None,
    on_progress: Progress = no_progress,
) -> Clip:
    """Track a clip and keep its frames.

    Args:
        pipe: Tracks it.
        path: A video of one person.
        held_out: Share of the clip, at its end, that is not learned from.
        crop: ``auto``: a square around head and shoulders; ``none``: the largest square, whole if the video is square.
        face: Which face of the first frame, from left to right; the largest by default.
        on_progress: Called with stage, steps done and steps in all.

    Raises:
        MediaError: If the clip cannot be read or shows too little.
        NoFaceError: If no frame shows a face.
    """
    motion = pipe.track(path, face, on_progress)
    assert motion.found is not None and motion.landmarks is not None and motion.frame_size is not None
    own, notes = own_shots(pipe, path, motion)
    seen = motion.found & torch.from_numpy(own)
    end = round(len(motion) * (1.0 - held_out))
    parts = [_spread(seen, 0, end), _spread(seen, end, len(motion))]
    if len(parts[0]) < LEAST_FRAMES:
        problem = f"Only {len(parts[0])} frames of {str(path)!r} that could be learned from show the face."
        raise MediaError(problem, f"Give a clip in which {LEAST_FRAMES} or more do; 10 to 120 seconds are good.")
    portraits = [parts[0][index] for index in candidates(select(motion, parts[0], motion.fps))]
    width, height = motion.frame_size
    window = choose_crop(motion.landmarks[portraits[1]].float().numpy(), width, height, crop)
    wanted = sorted({*parts[0], *parts[1]})
    kept: dict[int, np.ndarray] = {}  # small, as all of them have to be in memory
    pictures: dict[int, np.ndarray] = {}
    for index, square in zip(wanted, _squares(path, window, wanted, pipe.config.media, on_progress)):
        kept[index] = _small(square)
        if index in portraits:
            pictures[index] = square
    if len(kept) < len(wanted):
        raise MediaError(f"{str(path)!r} gave fewer frames when it was read again.", "Convert the video.")
    scaled = _in_window(motion, window)
    assert scaled.landmarks is not None
    shown = select(scaled, portraits, motion.fps)
    footage = [
        Footage(np.stack([kept[index] for index in part]), select(scaled, part, motion.fps), tuple(part), shown)
        for part in parts
        if part
    ]
    return Clip(
        learned=footage[0],
        held_out=footage[1] if len(footage) > 1 else None,
        candidates=tuple(Candidate(pictures[at], scaled.landmarks[at, :, :2].numpy()) for at in portraits),
        seconds=end / motion.fps,
        whole=scaled,
        notes=notes,
    )


def candidates(motion: Motion) -> list[int]:
    """Frames that may stand for a motion: the first, the most typical, and the most typical of two kinds of face."""
    kind = torch.from_numpy(kmeans2(motion.expression.double().numpy(), 2, minit="++", seed=0)[1])
    chosen = [0, typical_frame(motion)]
    for one in range(2):
        members = (kind == one).nonzero().squeeze(-1).tolist()
        if members:
            chosen.append(members[typical_frame(select(motion, members, motion.fps))])
    return list(dict.fromkeys(chosen)) if len(set(chosen)) > 1 else chosen[:2]


def typical_frame(motion: Motion) -> int:
    """The frame whose expression and pose are nearest to all others'."""
    distances = [
        torch.cdist(values, values).mean(1) for values in (motion.expression, 10.0 * motion.rotation.flatten(1))
    ]
    return int(sum(distance / distance.mean().clamp(min=1e-6) for distance in distances).argmin())  # type: ignore[union-attr]


def _spread(found: torch.Tensor, start: int, end: int) -> list[int]:
    """Frames of a part that show the person, evenly spread, ``MOST_FRAMES`` at most."""
    usable = (start + found[start:end].nonzero().squeeze(-1)).tolist()
    step = -(-len(usable) // MOST_FRAMES)
    return usable[:: max(1, step)]


def _squares(
    path: str | Path, window: SquareCrop, wanted: list[int], limits: MediaConfig, on_progress: Progress
) -> Iterator[np.ndarray]:
    """Read the wanted frames of a video as it was tracked, cut to a window of side ``PORTRAIT_SIZE``."""
    chosen = set(wanted)
    with open_video(path, limits) as reader:
        for index, frame in enumerate(reader):
            if index in chosen:
                yield window.cut(frame, PORTRAIT_SIZE)
                on_progress("frames", index + 1, wanted[-1] + 1)


def _in_window(motion: Motion, window: SquareCrop) -> Motion:
    """A motion with its landmarks in pixels of a window of side ``PORTRAIT_SIZE``, shoulders in sides of the window."""
    assert motion.landmarks is not None and motion.frame_size is not None
    corner = torch.tensor((window.x0, window.y0))
    landmarks = motion.landmarks.float().clone()
    landmarks[..., :2] -= corner
    landmarks *= PORTRAIT_SIZE / window.side
    torso = motion.torso
    if torso is not None:
        frame = torch.tensor(motion.frame_size).float()  # [2]
        side = frame.max()  # of the square that they are told in: the frame in the middle
        shift = -((side - frame) / 2 + corner) / window.side
        into = torch.cat([torch.eye(2) * (side / window.side), shift[:, None]], dim=1)  # [2, 3]
        torso = compose_similarities(into, compose_similarities(torso, invert_similarity(into)))  # [T, 2, 3]
    return replace(motion, landmarks=landmarks, torso=torso, frame_size=(PORTRAIT_SIZE, PORTRAIT_SIZE))


def _small(square: np.ndarray) -> np.ndarray:
    """A frame as it is kept."""
    return np.asarray(Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
