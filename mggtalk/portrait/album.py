"""Several photos of one person: which of them belong together, one identity and one head frame for all, their notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit, fit_track
from mggtalk.face.masks import head_masks
from mggtalk.face.matte_edges import sharpen_edges
from mggtalk.geometry import rotation_to_euler
from mggtalk.nets.maps import to_float
from mggtalk.portrait.look import SquarePhoto
from mggtalk.portrait.novelty import SHUT, open_eyes, tell_novelty
from mggtalk.portrait.photos import Photo
from mggtalk.portrait.same_person import find_person, stack_tracks
from mggtalk.scene import FaceTrack, MotionFrame

MOST_TURN = 24.0
"""Degrees of yaw up to which a photo shows both halves of a face well enough to be the main one."""


class Remark(NamedTuple):
    """What is said of one photo."""

    name: str
    kept: bool
    text: str  # "the main photo", "adds teeth, eyes shut", "left out: it shows somebody else"


class Album(NamedTuple):
    """Photos that show one person."""

    photos: tuple[SquarePhoto, ...]  # the main one, which gives the avatar, before the others
    fit: FaceFit  # of all, one identity; poses are those of each photo's own camera
    focal_ratio: float  # of these cameras
    remarks: tuple[Remark, ...]  # of all that were given, in their order

    @staticmethod
    def of(seen: Sequence[SquarePhoto], face_model: FaceModel, focal_ratio: float) -> Album:
        """Leave out photos that do not belong to the others, and fit the rest together.

        Args:
            seen: Two photos or more.
            face_model: The landmark 3DMM.
            focal_ratio: Of their cameras.

        Raises:
            OptionError: If no two of them show the same person.
        """
        group = find_person([(photo.square, photo.track) for photo in seen], face_model, focal_ratio)
        track = stack_tracks([seen[index].track for index in group])
        main = choose_main(track, fit_track(face_model, track, focal_ratio))
        group = [group[main], *(index for index in group if index != group[main])]
        kept = tuple(seen[index] for index in group)
        track = stack_tracks([photo.track for photo in kept])
        fit = fit_track(face_model, track, focal_ratio)
        remarks = []
        for index, photo in enumerate(seen):
            if index not in group:
                text = f"left out: it does not look like {kept[0].name} (another person, another beard or heavy light)"
            elif index == group[0]:
                text = (
                    "the main photo"
                    if main == 0
                    else "the main photo: its eyes are open, and it is seen from the front"
                )
            else:
                words = tell_novelty(photo.square, track, group.index(index), fit, face_model)
                text = f"adds {', '.join(words)}" if words else "adds little: it is much like the main photo"
            remarks.append(Remark(photo.name, index in group, text))
        return Album(kept, fit, focal_ratio, tuple(remarks))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        return tuple(f"Photo {remark.name.removeprefix('photo ')}: {remark.text}." for remark in self.remarks)

    def further(self, mattes: Sequence[np.ndarray]) -> list[Photo]:
        """All but the first photo, with the mattes ``[S, S]`` of their persons."""
        photos = []
        for index, (photo, matte) in enumerate(zip(self.photos[1:], mattes), start=1):
            landmarks = photo.track.landmarks[0]
            frame = MotionFrame(self.fit.expression[index], self.fit.rotation[index], self.fit.translation[index])
            head = head_masks(sharpen_edges(photo.square, matte), landmarks).head
            photos.append(
                Photo(
                    to_float(photo.square),
                    torch.from_numpy(landmarks[:, :2].astype(np.float32)),
                    torch.from_numpy(head.astype(np.float32)),
                    frame,
                    self.focal_ratio * photo.square.shape[0],
                )
            )
        return photos


def choose_main(track: FaceTrack, fit: FaceFit) -> int:
    """Choose the photo that the head is made of: the first one, unless its eyes are shut or half its face is hidden.

    Args:
        track: Photo by photo.
        fit: Of the same track.

    Returns:
        Its index; 0 as well where no other is better.
    """
    turn = rotation_to_euler(fit.rotation)[:, 1].abs().rad2deg().numpy()  # [T]
    good = np.flatnonzero((open_eyes(track.landmarks) > SHUT) & (turn <= MOST_TURN))
    return int(good[0]) if len(good) else 0
