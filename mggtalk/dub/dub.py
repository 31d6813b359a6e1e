"""``dub``: a film whose person says something else.

::

    film ─► track ─► watch ─► best frame ─► avatar ──► inside of the mouth ─┐
              │        └────► skin, light                                   ▼
    sound ─► listen ─► plan: lower face of each frame ─► flow of its own pixels ─► frame
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mggtalk.animate.animator import Animator
from mggtalk.avatar.avatar import Avatar
from mggtalk.config import MediaConfig, check_consent
from mggtalk.dub.flow import flow_of, move
from mggtalk.dub.grip import grip_lips
from mggtalk.dub.mouth import Tone, gap_of, inside_of, mouth_square, openness, outline_mask, seam
from mggtalk.dub.plan import DubPlan, make_plan, uncovered, watchable
from mggtalk.dub.study import Study, sharpness, watch
from mggtalk.errors import MediaError, MGGTalkError, NoFaceError
from mggtalk.face.crop import SquareCrop
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import fit_track
from mggtalk.face.regions import mouth_mask
from mggtalk.face.topology import LOWER_LIP_MIDDLES, UPPER_LIP_MIDDLES
from mggtalk.media import VideoWriter, open_video
from mggtalk.media.sound import Sound
from mggtalk.motion.parts import OTHER_FACE
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.runtime.overlap import map_in_order, one_thread, read_ahead
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.runtime.threads import thread_count
from mggtalk.scene import FaceTrack, MotionFrame
from mggtalk.sgp.mouth.decoder import INVENTED

LEAST_FRAMES = 12
"""Frames with a usable face that a film must have."""


TELLING = 0.03
"""Gap between a film's lips, over the face's height, from which its inside tells its colours: in a narrower one most
pixels are lip."""


class Chosen(NamedTuple):
    """The avatar of a film's person."""

    avatar: Avatar
    tone: Tone  # of the inside of its mouth


@dataclass(frozen=True)
class DubbedVideo:
    """A film with other lips; each pass over it decodes the film and makes its frames anew."""

    path: Path
    animator: Animator
    tone: Tone  # of the avatar's mouth
    study: Study
    plan: DubPlan
    sound: str | Path | Sound
    limits: MediaConfig
    notes: tuple[str, ...] = ()
    on_progress: Progress = field(default=no_progress)

    def __len__(self) -> int:
        return len(self.plan.strength)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames, uint8 ``[H, W, 3]``; those whose strength is 0 are what was decoded, untouched."""
        with open_video(self.path, self.limits) as reader:
            numbered = zip(range(len(self)), read_ahead(reader))
            for index, frame in enumerate(map_in_order(lambda item: self.draw(*item), numbered, thread_count())):
                yield frame
                self.on_progress("render", index + 1, len(self))

    def draw(self, index: int, frame: np.ndarray) -> np.ndarray:
        """Make one frame; threads may call it at once.

        Args:
            index: Of the frame.
            frame: As it was decoded, uint8 ``[H, W, 3]``.

        Returns:
            A copy; outside the lower face and what gives way around it, bit by bit the frame.
        """
        plan, strength = self.plan, float(self.plan.strength[index])
        new = frame.copy()
        if strength == 0.0:
            return new
        height, width = frame.shape[:2]
        before, after = plan.before[index], plan.after[index]
        flow = flow_of(grip_lips(frame, before, after), after, plan.depth[index], width, height)
        if flow is not None:
            move(frame, flow, new)
        opened = openness(after) > 0.0
        if opened or seam(before, after) > 0.0:
            window, drawn, gain = self.study.windows[index], plan.drawn[index], plan.gains[index]
            picture = None
            if opened:
                left, top, side = mouth_square(drawn, window, self.animator.size)
                picture = self.animator.window(plan.motion[index], left, top, side)
                scale = window.side / self.animator.size
                window = SquareCrop(window.x0 + scale * left, window.y0 + scale * top, scale * side)
            inside = inside_of(picture, window, drawn, before, after, gain, (width, height), self.tone)
            if inside is not None:
                rows, columns = inside.alpha.shape
                part = new[inside.top : inside.top + rows, inside.left : inside.left + columns]
                alpha = (strength * inside.alpha)[..., None]  # [h, w, 1]
                mixed = part + alpha * (inside.colour - part)
                part[...] = np.where(alpha > 1 / 512, np.rint(mixed), part).astype(np.uint8)
        return new

    def save(self, path: str | Path, no_badge: str | None = None) -> Path:
        """Write an H.264 video with the new sound, marked as AI-made.

        Args:
            path: The ``.mp4`` to write; it appears when it is complete.
            no_badge: See :meth:`mggtalk.animate.talking_video.TalkingVideo.save`.

        Raises:
            MediaError: If the file cannot be written.
        """
        track = self.study.track
        with VideoWriter(path, track.width, track.height, track.fps, sound=self.sound, no_badge=no_badge) as writer:
            for frame in self:
                writer.write(frame)
        return Path(path)


def dub(
    pipe: MGGTalkPipeline,
    video: str | Path,
    sound: str | Path,
    consent: str,
    face: int | None = None,
    language: str | None = None,
    avatar: Avatar | None = None,
    on_progress: Progress = no_progress,
) -> DubbedVideo:
    """Put other words into the mouth of a film's person.

    Head motion, upper face and all else of the film stay. The lower face of each frame is moved by a flow of its own
    pixels, so that skin, beard, light and grain stay those of the film; the inside of the mouth is that of an avatar.
    Where the sound is silent the lips close; behind its end as well. Frames without a face, or with one that is turned
    away, cut or covered, pass unchanged.

    Args:
        pipe: Tracks, listens and draws.
        video: The film.
        sound: What is to be said: a recording, or a video with sound.
        consent: Must say :data:`mggtalk.config.CONSENT`.
        face: Which face of the first frame, from left to right; the largest by default.
        language: See :meth:`MGGTalkPipeline.listen`.
        avatar: Of this person, such as one that :func:`mggtalk.person.adapt.adapt` learned from this film; by default
            one is made of the frame whose mouth tells those of other frames best.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        The film, whose frames are made while they are read.

    Raises:
        OptionError: If nobody agreed, or the face does not exist.
        MediaError: If a file cannot be read, the sound is silent, or too few frames show a face.
        NoFaceError: If no frame shows a face.
    """
    check_consent(consent)
    study, good = study_film(pipe, video, face, on_progress)
    track, limits = study.track, pipe.config.media
    chosen = (
        choose_avatar(pipe, study, on_progress)
        if avatar is None
        else Chosen(avatar, compare_mouths(pipe, study, avatar)[1])
    )
    speech, notes = _speech(pipe, sound, track, language, on_progress)
    ratio = pipe.config.render.focal_ratio
    plan = make_plan(study, chosen.avatar, speech, pipe.face_model, ratio, good)
    unchanged = int((plan.strength == 0).sum())
    if unchanged:
        notes = (
            *notes,
            f"{unchanged} of {len(track)} frames pass unchanged: no face, or one that is turned away, cut or covered.",
        )
    side = float(np.median([window.side for window in study.windows]))
    size = PORTRAIT_SIZE if side > PORTRAIT_SIZE / 2 else PORTRAIT_SIZE // 2
    return DubbedVideo(
        Path(video), pipe.animator(chosen.avatar, size), chosen.tone, study, plan, sound, limits, notes, on_progress
    )


def study_film(
    pipe: MGGTalkPipeline, video: str | Path, face: int | None = None, on_progress: Progress = no_progress
) -> tuple[Study, np.ndarray]:
    """Watch a film.

    Returns:
        What was seen, and the frames ``[T]`` bool in which the person's face can be changed.

    Raises:
        MediaError: If it cannot be read, or too few frames show a face.
        NoFaceError: If no frame shows a face.
    """
    limits = pipe.config.media
    with open_video(video, limits) as reader:
        track = _track(pipe, reader, reader.fps, int(reader.frame_count or 0), face, on_progress)
    usable = watchable(track) & same_person(track, pipe.face_model, pipe.config.render.focal_ratio)
    if usable.sum() < LEAST_FRAMES:
        problem = f"Only {int(usable.sum())} frames of {str(video)!r} show a face that can be dubbed."
        raise MediaError(problem, f"Give a film in which {LEAST_FRAMES} or more do: not turned away, not cut.")
    with open_video(video, limits) as reader:
        study = watch(read_ahead(reader), track, usable)
    return study, usable & uncovered(study.colours, usable, pipe.face_model)


def _track(
    pipe: MGGTalkPipeline, frames: Iterable[np.ndarray], fps: float, total: int, face: int | None, on_progress: Progress
) -> FaceTrack:
    """Follow the face through the film."""

    def tell(done: int) -> None:
        on_progress("track", done, max(total, done))

    with one_thread():
        return pipe.tracker.video(read_ahead(frames), fps, face, tell)


def same_person(track: FaceTrack, face_model: FaceModel, focal_ratio: float) -> np.ndarray:
    """Frames ``[T]`` bool of the shots that show whom the longest one shows."""
    same = np.ones(len(track), bool)
    shots = track.shots()
    if len(shots) == 1:
        return same
    calm = torch.zeros(len(face_model.expression_basis))
    faces = [face_model.vertices(fit_track(face_model, shot, focal_ratio).identity, calm) for shot in shots]
    main = faces[int(np.argmax([shot.found.sum() for shot in shots]))]
    start = 0
    for shot, shape in zip(shots, faces):
        same[start : start + len(shot)] = float((shape - main).norm(dim=-1).mean()) <= OTHER_FACE
        start += len(shot)
    return same


def choose_avatar(pipe: MGGTalkPipeline, study: Study, on_progress: Progress = no_progress) -> Chosen:
    """Prepare the sharpest frame of each kind, and take the avatar whose mouth tells those of other frames best.

    Raises:
        NoFaceError: If none of them can be prepared.
    """
    best: tuple[float, Chosen] | None = None
    for number, kind in enumerate(study.kinds):
        frame = max(kind, key=lambda index: sharpness(study.squares[index]))
        try:
            avatar = pipe.prepare(study.squares[frame], crop="none")
        except MGGTalkError:  # a face at the border, or too small in this frame
            continue
        error, tone = compare_mouths(pipe, study, avatar)
        on_progress("avatar", number + 1, len(study.kinds))
        if best is None or error < best[0]:
            best = error, Chosen(avatar, tone)
    if best is None:
        raise NoFaceError("No frame of the film shows a face well enough.", "Give a film with a larger, clearer face.")
    return best[1]


def compare_mouths(pipe: MGGTalkPipeline, study: Study, avatar: Avatar) -> tuple[float, Tone]:
    """Let an avatar play some frames of the film.

    Returns:
        The mean difference around the mouth, in [0, 255], and the colours of the insides of both mouths.
    """
    side = PORTRAIT_SIZE // 2
    track = study.window_track().take(study.trials)
    fit = fit_track(pipe.face_model, track, pipe.config.render.focal_ratio, identity=avatar.identity)
    animator = pipe.animator(avatar, side)
    errors, insides = [], [(np.zeros((0, 3)), np.zeros((0, 3)))]
    for at, index in enumerate(study.trials):
        made = animator.frame(MotionFrame(fit.expression[at], fit.rotation[at], fit.translation[at]))  # [S/2, S/2, 3]
        real = study.squares[index].reshape(side, 2, side, 2, 3).mean((1, 3))  # [S/2, S/2, 3]
        landmarks = track.landmarks[at, :, :2] / 2.0
        errors.append(np.abs(real - made)[mouth_mask(landmarks, side, side)].mean())
        if gap_of(landmarks) > TELLING:
            inside = outline_mask(landmarks, side, side) > 0.9
            insides.append((made[inside].astype(float), real[inside]))
    made_inside, real_inside = (np.concatenate(parts) for parts in zip(*insides))  # [n, 3]
    lips = np.median(study.colours[study.trials][:, [*UPPER_LIP_MIDDLES, *LOWER_LIP_MIDDLES]], axis=(0, 1))  # [3]
    teeth = 255.0 * avatar.mouth.teeth.numpy() * np.array(INVENTED)  # [3] in the light of the whites of the eyes
    return float(np.mean(errors)), Tone.of(made_inside, real_inside, lips, teeth)


def _speech(
    pipe: MGGTalkPipeline,
    sound: str | Path,
    track: FaceTrack,
    language: str | None,
    on_progress: Progress,
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Expressions of the sound in the film's frames ``[T, K]``, relative to rest, and notes."""
    manner = replace(pipe.config.speech, fps=track.fps)
    motion = pipe.listen(sound, language=language, on_progress=on_progress, manner=manner)
    speech = torch.zeros(len(track), motion.expression.shape[1])  # [T, K] calm, behind the end of the sound
    count = min(len(track), len(motion))
    speech[:count] = motion.expression[:count]
    notes = motion.notes
    if len(motion) > len(track):
        notes = (
            *notes,
            f"The sound is {motion.seconds - len(track) / track.fps:.1f} s longer than the film and is cut.",
        )
    return speech, notes
