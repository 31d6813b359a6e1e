"""The face tracker: stills and videos to :class:`mggtalk.scene.FaceTrack`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mggtalk.config import TrackerConfig
from mggtalk.errors import FaceTooSmallError, NoFaceError, OptionError, SeveralFacesError
from mggtalk.face.cuts import CHANGE, TIMES, find_cuts, thumbnail
from mggtalk.face.detector import FaceDetector, overlap
from mggtalk.face.landmarks import Face, LandmarkNetworks
from mggtalk.face.roi import Roi
from mggtalk.face.smoothing import smooth_blendshapes, smooth_landmarks
from mggtalk.face.stubborn import search_stubbornly
from mggtalk.scene import FaceTrack

logger = logging.getLogger(__name__)

SAME_FACE = 0.4  # overlap at which two landmark boxes are the same face
SECOND_FACE = 0.4  # a further face counts if it is this wide, over the widest
SURE, BESIDE = 0.8, 0.02  # score of a face that is found beside others in a closer view, and its overlap with them
SEEN = 0.08  # least width of a face that the detector sees for sure, over the side of its view
THOROUGH_EVERY = 8  # while a face is lost, frames between two looks into tiles
JUMP = 1.0  # face widths that a lost face may have moved when it is found again
VIEW = 1.5  # side of the picture in which the detector judges a face, over that of the landmark network's
FLIPPED, SURER = (
    0.7,
    0.08,
)  # least score of a face that is seen upside down, and by how much it is above the upright one


class FaceTracker:
    """Finds faces and follows one through a video. Keeps no state between calls; threads may share it.

    Args:
        config: Thresholds and limits.

    Raises:
        WeightsMissingError: If the networks are not available.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self._detector = FaceDetector(config.detection_threshold)
        self._networks = LandmarkNetworks()

    def detect(self, image: np.ndarray) -> list[Face]:
        """All faces in ``image`` ``[H, W, 3]`` uint8, up to ``config.max_faces``, largest first."""
        return [self._right_way_up(image, face) for face in self._detect(image, thorough=True)]

    def _right_way_up(self, image: np.ndarray, face: Face) -> Face:
        """The face, or what it is if it stands on its head: the landmark network sees an upright one there as well.

        The detector is less sure of faces upside down: it gives them 0.47 to 0.76, and upright ones 0.81 or more.
        """
        roi = Roi.from_landmarks(face.landmarks)
        view = roi._replace(side=VIEW * roi.side)
        upright, flipped = (self._detector.best_look(image, v) for v in (view, view._replace(angle=view.angle + np.pi)))
        if flipped is None or flipped.score < FLIPPED or (upright and flipped.score < upright.score + SURER):
            return face
        other = self.look(image, flipped.roi)
        return face if other is None else self.look(image, Roi.from_landmarks(other.landmarks)) or other

    def still(self, image: np.ndarray, face: int | None = None, allow_several: bool = False) -> FaceTrack:
        """Track a still.

        Args:
            image: ``[H, W, 3]`` uint8.
            face: Which face, counted from 0 from left to right; None for the only one.
            allow_several: Take the largest of several faces instead of refusing.

        Returns:
            A track of one frame.

        Raises:
            NoFaceError: If there is no face.
            FaceTooSmallError: If the face is too small.
            SeveralFacesError: If there are several faces of similar size and none was chosen.
            OptionError: If ``face`` does not exist.
        """
        chosen = self.choose(self.usable(image), face, allow_several)
        height, width = image.shape[:2]
        return FaceTrack(
            chosen.landmarks[None], chosen.blendshapes[None], np.ones(1, bool), fps=25.0, width=width, height=height
        )

    def video(
        self,
        frames: Iterable[np.ndarray],
        fps: float,
        face: int | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> FaceTrack:
        """Follow one face through a video.

        Args:
            frames: Frames ``[H, W, 3]`` uint8, all of one size; consumed one at a time.
            fps: Frames per second.
            face: Which face of the first frame that shows any, counted from 0 from left to right; None for the
                largest.
            on_progress: Called with the number of frames done.

        Returns:
            The track; frames in which the face was lost are bridged and marked in ``found``.

        Raises:
            NoFaceError: If no frame shows a face.
            FaceTooSmallError: If the face is too small.
            OptionError: If ``face`` does not exist.
        """
        follower = Follower(self, fps, face)
        count, height, width = 0, 0, 0
        faces: list[Face | None] = []
        for frame in frames:
            height, width = frame.shape[:2]
            faces.append(follower.step(frame))
            count += 1
            if on_progress is not None:
                on_progress(count)
        if follower.last is None:
            raise NoFaceError(
                f"No face was found in the {count} frames of the video.",
                "Use a video in which one face is seen from the front and fills a good part of the picture.",
            )
        return self._assemble(faces, follower.changes, fps, width, height)

    def _assemble(
        self, faces: list[Face | None], changes: list[float], fps: float, width: int, height: int
    ) -> FaceTrack:
        """Bridge the gaps, smooth, check the size."""
        found = np.array([seen is not None for seen in faces])
        seen = [entry for entry in faces if entry is not None]
        face_width = float(np.median([entry.width for entry in seen]))
        if face_width < self.config.min_face_pixels:
            raise self._too_small(face_width)
        landmarks = bridge(np.stack([entry.landmarks for entry in seen]), found, fps, self.config.bridge_seconds)
        blendshapes = bridge(np.stack([entry.blendshapes for entry in seen]), found, fps, self.config.bridge_seconds)
        if self.config.smooth:
            landmarks, blendshapes = smooth_landmarks(landmarks, fps), smooth_blendshapes(blendshapes, fps)
        if not found.all():
            logger.info("the face was lost in %d of %d frames", int((~found).sum()), len(found))
        cuts = find_cuts(np.array(changes), landmarks)
        return FaceTrack(landmarks, blendshapes, found, fps=fps, width=width, height=height, cuts=cuts)

    def _detect(self, image: np.ndarray, thorough: bool) -> list[Face]:
        """Faces with landmarks, without doubles, largest first.

        Where all are small, others as small may have been missed: views get closer until they would be seen.
        """
        faces: list[Face] = []
        for detections, side in self._detector.search(image, thorough):
            known = len(faces)
            for detection in detections[: 2 * self.config.max_faces]:
                if known and detection.score < SURE:
                    continue
                face = self.look(image, detection.roi)
                if face is None:
                    continue
                face = self.look(image, Roi.from_landmarks(face.landmarks)) or face
                shared = [float(overlap(np.array(face.box), np.array(other.box))) for other in faces]
                if max(shared[:known], default=0.0) <= BESIDE and max(shared[known:], default=0.0) < SAME_FACE:
                    faces.append(face)
            if faces and SECOND_FACE * max(face.width for face in faces) > SEEN * side:
                break
        return sorted(faces, key=lambda face: -face.width)[: self.config.max_faces]

    def look(self, image: np.ndarray, roi: Roi) -> Face | None:
        """The face in a region of ``image``, or None if the landmark network sees none there."""
        face = self._networks(image, roi)
        return face if face.score >= self.config.presence_threshold else None

    def find(self, image: np.ndarray) -> list[Face]:
        """Faces in a still ``[H, W, 3]``, largest first; where the detector sees none, it is searched stubbornly."""
        return self.detect(image) or search_stubbornly(image, self._detector, self.look)

    def usable(self, image: np.ndarray) -> list[Face]:
        """Faces in ``image`` ``[H, W, 3]`` that count, left to right.

        Raises:
            NoFaceError: If there is none.
            FaceTooSmallError: If all are too small.
        """
        faces = self.find(image)
        if not faces:
            raise NoFaceError(
                f"No face was found in the picture of {image.shape[1]}x{image.shape[0]} pixels.",
                "Use a picture in which one face is seen from the front, upright and well lit; or place it by points.",
            )
        if faces[0].width < self.config.min_face_pixels:
            raise self._too_small(faces[0].width)
        counting = [face for face in faces if face.width >= SECOND_FACE * faces[0].width]
        return sorted(counting, key=lambda face: face.centre[0])

    def choose(self, faces: Sequence[Face], index: int | None, allow_several: bool = False) -> Face:
        """One of the faces, given left to right. See :meth:`still`."""
        if index is not None:
            if not 0 <= index < len(faces):
                raise OptionError(
                    f"Face {index} was asked for, but {len(faces)} {'was' if len(faces) == 1 else 'were'} found.",
                    "Its number is 0."
                    if len(faces) == 1
                    else f"Choose a number from 0 to {len(faces) - 1}, counted from left to right.",
                )
            return faces[index]
        if len(faces) > 1 and not allow_several:
            places = ", ".join(
                f"{number} at x={face.centre[0]:.0f} y={face.centre[1]:.0f}" for number, face in enumerate(faces)
            )
            raise SeveralFacesError(
                f"{len(faces)} faces were found (from left to right: {places}).",
                f"Crop the picture to one face, or choose one by its number, 0 to {len(faces) - 1}.",
            )
        return max(faces, key=lambda face: face.width)

    def _too_small(self, width: float) -> FaceTooSmallError:
        return FaceTooSmallError(
            f"The face is {width:.0f} pixels wide; at least {self.config.min_face_pixels} are needed.",
            "Use a larger picture, or one taken from nearer.",
        )


class Follower:
    """One face through the frames of one video, or of a camera.

    Args:
        tracker: Finds faces.
        fps: Frames per second.
        face: See :meth:`FaceTracker.video`.
    """

    def __init__(self, tracker: FaceTracker, fps: float, face: int | None) -> None:
        self._tracker = tracker
        self._choice = face
        self._patience = int(tracker.config.bridge_seconds * fps)
        self._lost = 0  # frames since the face was last seen
        self.last: Face | None = None
        self.changes: list[float] = []  # of the whole picture, see find_cuts
        self._thumbnail: np.ndarray | None = None
        self._cut = False  # nobody of before need be here

    def step(self, frame: np.ndarray) -> Face | None:
        """The face in the next frame ``[H, W, 3]`` uint8, or None if it is lost."""
        before, self._thumbnail = self._thumbnail, thumbnail(frame)
        change = 0.0 if before is None else float(np.abs(self._thumbnail - before).mean())
        sudden = change > CHANGE and change > TIMES * (self.changes[-1] if self.changes else 0.0)
        self._cut = sudden or (self._cut and self._lost > 0)
        self.changes.append(change)
        face = None
        if self.last is not None and self._lost <= 1 and not sudden:
            face = self._tracker.look(frame, Roi.from_landmarks(self.last.landmarks))
        if face is None:
            face = self._search(frame)
        self._lost = 0 if face is not None else self._lost + 1
        self.last = face or self.last
        return face

    def _search(self, frame: np.ndarray) -> Face | None:
        """Detect the face anew: any in the beginning, later the one that can be the same."""
        faces = self._tracker._detect(frame, thorough=self._lost % THOROUGH_EVERY == 0)
        if not faces:
            return None
        if self.last is None:
            if self._choice is None:
                return faces[0]
            counting = [face for face in faces if face.width >= SECOND_FACE * faces[0].width]
            return self._tracker.choose(
                sorted(counting, key=lambda face: face.centre[0]), self._choice, allow_several=False
            )
        last = self.last
        nearest = min(faces, key=lambda face: float(np.linalg.norm(face.centre - last.centre)))
        near = np.linalg.norm(nearest.centre - last.centre) < JUMP * max(last.width, nearest.width)
        alike = 0.5 < nearest.width / last.width < 2.0
        if near and alike:
            return nearest
        return faces[0] if self._cut else nearest if self._lost >= self._patience else None


def bridge(values: np.ndarray, found: np.ndarray, fps: float, seconds: float) -> np.ndarray:
    """Fill the frames in which the face was lost.

    Gaps up to ``seconds`` are filled by linear interpolation; in a longer one the last value is held and the way to the
    next one takes the last ``seconds`` of the gap. Before the first and after the last sighting the value is held.

    Args:
        values: ``[F, ...]``, one entry per frame in which the face was found.
        found: ``[T]`` bool with F times True.
        fps: Frames per second.
        seconds: Longest interpolation.

    Returns:
        ``[T, ...]`` of the same type.
    """
    frames = np.arange(len(found))
    seen = np.flatnonzero(found)
    after = np.searchsorted(seen, frames)  # [T] first sighting at or after the frame
    right = np.minimum(after, len(seen) - 1)
    left = np.where((after < len(seen)) & found, right, np.maximum(after - 1, 0))
    reach = np.maximum(np.minimum(seen[right] - seen[left], seconds * fps), 1.0)  # [T] frames of the interpolation
    share = np.clip(1.0 - (seen[right] - frames) / reach, 0.0, 1.0)  # [T] of the right value
    share = share.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)  # [T, 1, ...]
    return values[left] * (1 - share) + values[right] * share
