"""The pipeline: three doors (page, command line, notebooks) lead to this one object."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.animate.calibrate import calibrate_coarse, calibrate_colours
from mggtalk.animate.head import PortraitHead
from mggtalk.animate.live import LiveAvatar
from mggtalk.animate.live_speaker import LiveSpeaker
from mggtalk.animate.photos import paint_photos
from mggtalk.animate.talking_video import TalkingVideo
from mggtalk.avatar.avatar import Avatar
from mggtalk.checkpoint import Components
from mggtalk.config import SpeechConfig, check_size
from mggtalk.depth.catalogue import check_choice
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.errors import OptionError
from mggtalk.face.crop import CropMode
from mggtalk.face.points import Points
from mggtalk.media.sound import Sound, check_speech, read_sound
from mggtalk.motion.driver import Tracking, check_fits, track_driver, track_file
from mggtalk.motion.retarget import PoseMode
from mggtalk.motion.style import Style, perform
from mggtalk.nets.maps import to_float
from mggtalk.portrait.album import Album
from mggtalk.portrait.look import PORTRAIT_SIZE, Picture, SquarePhoto, look_at_photos
from mggtalk.portrait.prepare import build_avatar
from mggtalk.portrait.view import see
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Camera, FaceTrack, Gaussians, Motion, MotionFrame, check_square
from mggtalk.speech.audio_prior import AudioPrior, Voice
from mggtalk.speech.features import Recording, measure, record
from mggtalk.speech.listen import Speaker, listen
from mggtalk.speech.live import LiveSpeech, idle_motion
from mggtalk.speech.prior_choice import choose_prior, encoder_notes
from mggtalk.speech.speech_encoder import Ears

logger = logging.getLogger(__name__)


class MGGTalkPipeline(Components):
    """One portrait talks, in 3D.

    Holds its components (:class:`mggtalk.checkpoint.Components` loads, saves and moves them) and no state of a request:
    threads may share it.

    Example:
        >>> pipe = MGGTalkPipeline.from_pretrained()
        >>> avatar = pipe.prepare("portrait.jpg")
        >>> pipe.animate(avatar, pipe.track("driving.mp4"), size=256).save("out.mp4")
    """

    def prepare(
        self,
        portrait: Picture | Sequence[Picture],
        crop: CropMode = "auto",
        face: int | None = None,
        on_progress: Progress = no_progress,
        depth: DepthEstimator | str | None = None,
        points: Points | None = None,
    ) -> Avatar:
        """Make an avatar of a portrait, or of several photos of one person.

        ::

            portrait ─► landmarks ─► square crop ─► matte, head mask
                                        │
               depth, normals ─► BiNI ─► P_c ─► refine ─► P_f ─► mirror + voxel filter
                                        │
            head image, plates, colours calibrated against the portrait ─► Avatar

        The first photo gives the head, its hair, torso and background, or the next one if its eyes are shut or it is
        turned far. Each further one is shown in the face, the eyes or the mouth of frames that are like it
        (:mod:`mggtalk.avatar.photo_layers`). Photos of somebody else, or in quite another light, are left out, and the
        notes name them.

        Args:
            portrait: A file, a PIL image or uint8 ``[H, W, 3]``; or a list of up to 8 of them.
            crop: ``auto`` cuts a head-and-shoulders square; ``none`` keeps the field of view of a square picture.
            face: Which face of the (first) picture, from left to right, when there are several.
            on_progress: Called with stage, steps done and steps in all.
            depth: The depth estimator: a name of :data:`mggtalk.depth.catalogue.NAMES`, ``NAME=FOLDER`` for weights
                in a folder, or an estimator. Weights that are not on this machine are downloaded.
            points: Of the (first) picture, in the order of :data:`mggtalk.face.points.POINTS`: they place its face.

        Returns:
            The avatar; use it as often as you like. A picture that lies on its side is turned upright. Its notes say
            so, and what in the picture will be seen in the video: a face that is turned, small, blurred, dark or cut;
            and what each further photo adds.

        Raises:
            MediaError: If a picture cannot be read.
            NoFaceError: If one shows no usable face.
            SeveralFacesError: If one shows several and none was chosen.
            OptionError: If there are too many photos, or no two of them show the same person.
        """
        if crop not in ("auto", "none"):
            raise OptionError(f"The crop is {crop!r}.", "Choose 'auto' or 'none'.")
        if isinstance(depth, str):
            check_choice(depth)
        pictures = [portrait] if isinstance(portrait, Picture) else list(portrait)
        seen = self._look(pictures, crop, face, on_progress, points)
        if len(seen) == 1:
            avatar = self._avatar(seen[0].square, seen[0].track, on_progress, depth, fine=seen[0].fine)
            return avatar.with_(notes=(*avatar.notes, *seen[0].notes))
        album = Album.of(seen, self.face_model, self.config.render.focal_ratio)
        first = album.photos[0]
        avatar = self._avatar(first.square, first.track, on_progress, depth, album.fit.identity, fine=first.fine)
        avatar = avatar.with_(notes=(*avatar.notes, *first.notes, *album.notes))
        mattes = [self.person_matte(photo.square, photo.track.landmarks[0]) for photo in album.photos[1:]]
        animator, head = self.animator(avatar, PORTRAIT_SIZE), self.head(avatar, PORTRAIT_SIZE)
        return paint_photos(animator, head, album.further(mattes), on_progress)

    def gather(
        self,
        photos: Sequence[Picture],
        crop: CropMode = "auto",
        face: int | None = None,
        on_progress: Progress = no_progress,
    ) -> Album:
        """Look at two or more photos of one person: what each adds, and which do not belong. See :meth:`prepare`."""
        if len(photos) < 2:
            raise OptionError(f"{len(photos)} photos were given.", "Give 2 or more of one person.")
        return Album.of(self._look(photos, crop, face, on_progress), self.face_model, self.config.render.focal_ratio)

    def _look(
        self,
        pictures: Sequence[Picture],
        crop: CropMode,
        face: int | None,
        on_progress: Progress,
        points: Points | None = None,
    ) -> list[SquarePhoto]:
        """Find the faces of photos and cut their squares."""
        return look_at_photos(pictures, crop, face, self.tracker, self.face_model, self.config, on_progress, points)

    def person_matte(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Tell the person in a picture from the background.

        Args:
            picture: uint8 ``[H, W, 3]``.
            landmarks: The person's face ``[478, 2 or 3]`` in pixels.

        Returns:
            Alpha in [0, 1], ``[H, W]``.
        """
        return self.matte.around(picture, landmarks)

    def _avatar(
        self,
        square: np.ndarray,
        track: FaceTrack,
        on_progress: Progress,
        depth: DepthEstimator | str | None = None,
        identity: Tensor | None = None,
        share: np.ndarray | None = None,
        fine: np.ndarray | None = None,
    ) -> Avatar:
        """Avatar of a square portrait with known landmarks.

        Its identity ``[I]`` is known if it is of several photos; ``share [S, S]`` tells which pixels are this person's;
        ``fine [F, F, 3]`` is the same square with more pixels.
        """
        depth = self.depth_estimator if depth is None else depth
        estimator = self.estimators.get(depth, self.device, on_progress) if isinstance(depth, str) else depth
        on_progress("matte", 0, 1)
        matte = self.person_matte(square, track.landmarks[0]) * (1.0 if share is None else share)
        on_progress("matte", 1, 1)
        view = see(square, track, matte, self.face_model, self.config, identity)
        avatar = build_avatar(view, estimator, self.refine, self.config.dsgr, on_progress)
        size = square.shape[0]
        avatar = calibrate_colours(self.animator(avatar, size), self.head(avatar, size), to_float(square))
        small = self.head(avatar, self.config.dsgr.map_size)  # finds the colours of the coarse set
        portrait, large = torch.from_numpy(square.copy()), None if fine is None else torch.from_numpy(fine.copy())
        return avatar.with_(coarse_colour=small.avatar.colour.cpu(), portrait=portrait, fine=large)

    def load_avatar(self, path: str | Path) -> Avatar:
        """Read the avatar that :meth:`Avatar.save` wrote, and see whether it fits this pipeline.

        Args:
            path: The file.

        Returns:
            The avatar, as :meth:`prepare` made it.

        Raises:
            MediaError: If it is no avatar of this version, or one of another face model or other maps.
        """
        avatar = Avatar.load(path)
        avatar.check_fits(path, self.face_model, self.config.dsgr.map_size)
        return avatar

    def animator(self, avatar: Avatar, size: int, field_of_view: float | None = None) -> Animator:
        """Return the renderer of one avatar at one size, see :class:`Animator`."""
        return Animator(self.head(avatar, size), self.image_renderer, size, self.config.render, field_of_view)

    def head(self, avatar: Avatar, size: int) -> PortraitHead:
        """Return what makes the Gaussians of one avatar, for frames of one size."""
        dense = size > max(avatar.mask.shape)
        networks = self.deformation, self.sgp, dense
        head = PortraitHead(avatar, self.face_model, *networks)
        if dense or avatar.coarse_colour is not None:
            return head
        colour = calibrate_coarse(Animator(head, self.image_renderer, size, self.config.render), head)
        return PortraitHead(avatar.with_(coarse_colour=colour), self.face_model, *networks)

    def track(self, video: str | Path, face: int | None = None, on_progress: Progress = no_progress) -> Motion:
        """Track a driving video, or a picture whose expression is eased into.

        Args:
            video: A file with one or more faces.
            face: Which face of the first frame, from left to right; the largest by default.
            on_progress: Called with stage, steps done and steps in all.

        Returns:
            Its motion.

        Raises:
            MediaError: If the video cannot be read.
            NoFaceError: If no frame shows a face.
        """
        return track_file(self._tracking(), video, self.config.media, face, on_progress)

    def track_frames(
        self, frames: Iterable[np.ndarray], fps: float, face: int | None = None, on_progress: Progress = no_progress
    ) -> Motion:
        """Track frames, uint8 ``[H, W, 3]``, that are already decoded; they are read once, in order."""
        return track_driver(self._tracking(), frames, fps, face, on_progress)

    def _tracking(self) -> Tracking:
        """The parts that follow a driver."""
        return Tracking(self.tracker, self.face_model, self.matte, self.config.render.focal_ratio)

    def listen(
        self,
        speech: str | Path | Sound,
        seed: int = 0,
        language: str | None = None,
        on_progress: Progress = no_progress,
        manner: SpeechConfig | None = None,
        voice: Voice | None = None,
    ) -> Motion:
        """Turn speech into motion: lips, head and blinks.

        The lips are learned where the weights have an audio prior; else rules move them, and the notes say so.

        Args:
            speech: A recording, or a video with sound.
            seed: The same seed gives the same head motion and blinks.
            language: ``"en"`` decodes English phones; any other follows mostly loudness and
                spectrum; None decides by itself.
            on_progress: Called with stage, steps done and steps in all.
            manner: Strength of head and mouth and rate of blinks, instead of the pipeline's own.
            voice: Of the speaker, from ``python -m mggtalk voice`` (:func:`mggtalk.speech.voice_file.load_voice`);
                average by default.

        Returns:
            Its motion, to be used with relative poses.

        Raises:
            MediaError: If the recording cannot be read or is silent.
        """
        manner = manner or self.config.speech
        prior, ears = (None, None) if manner.listener else self.lip_prior()
        motion = listen(
            self._record(speech, manner.sample_rate, ears),  # without a name, so that it goes when it is understood
            self.face_model,
            manner,
            seed,
            language,
            on_progress,
            self.config.render.focal_ratio,
            Speaker(prior, voice),
        )
        notes = () if ears is not None or manner.listener else encoder_notes(self.encoded_prior)
        return motion.with_(notes=(*notes, *motion.notes))

    def _record(self, speech: str | Path | Sound, rate: int, ears: Ears | None) -> Recording:
        """What is kept of speech, which must not be silent."""
        if isinstance(speech, Sound):
            recording = record(speech, ears)
        else:
            recording = measure(read_sound(speech, rate, self.config.media), ears)
        check_speech(recording)
        return recording

    def lip_prior(self) -> tuple[AudioPrior, Ears | None]:
        """The audio prior that is used, and what hears for it: the one with a speech encoder where that can be had.

        Raises:
            WeightsMissingError: If the encoder is here but broken.
        """
        return choose_prior(self.audio_prior, self.encoded_prior)

    def animate(
        self,
        avatar: Avatar,
        motion: Motion,
        size: int = 512,
        pose: PoseMode = "relative",
        sound: str | Path | Sound | None = None,
        on_progress: Progress = no_progress,
        style: Style = Style(),  # noqa: B008  an immutable tuple
        field_of_view: float | None = None,
    ) -> TalkingVideo:
        """Put a motion on an avatar.

        Args:
            avatar: From :meth:`prepare`.
            motion: From :meth:`track`, :meth:`listen` or a motion file.
            size: Side of the square frames in pixels, even.
            pose: ``relative`` puts the driver's head motion on the portrait's own pose; ``absolute`` reproduces the
                driver's pose in image coordinates.
            sound: What is heard with the video.
            on_progress: Called with stage, frames done and frames in all.
            style: Strength of pose and expression, smoothing, and what of the driver is followed.
            field_of_view: Of the camera that sees the head, degrees; None for that of the portrait's camera.

        Returns:
            A video whose frames are made while they are read.

        Raises:
            OptionError: If an option is not allowed, or the motion belongs to another face model.
        """
        check_size(size)
        check_fits(motion, self.face_model.version, self.config.render.focal_ratio)
        motion = perform(motion, avatar, self.face_model, pose, style)
        return TalkingVideo(self.animator(avatar, size, field_of_view), motion, sound, on_progress)

    def live(self, avatar: Avatar, size: int = 256, fps: float = 25.0, mirror: bool = True) -> LiveAvatar:
        """Let an avatar follow a camera: call the result with a frame to get a frame.

        Args:
            avatar: From :meth:`prepare`.
            size: Side of the square pictures in pixels, even.
            fps: Of the camera, roughly.
            mirror: Whether the avatar moves like a mirror image.

        Raises:
            OptionError: If the size is not allowed.
        """
        check_size(size)
        head = self.head(avatar, size)
        return LiveAvatar(self._live_animator(head, size), self.tracker, head.face_model, fps, mirror)

    def live_speech(self, avatar: Avatar, size: int = 256, seed: int = 0, language: str | None = None) -> LiveSpeaker:
        """Let an avatar say what a microphone hears: give the result its sound in pieces, and draw.

        It hears with the phone decoder: a speech encoder takes three times as long and lets fewer frames through.

        Args:
            avatar: From :meth:`prepare`.
            size: Side of the square pictures in pixels, even.
            seed: The same seed gives the same head motion and blinks.
            language: As for :meth:`listen`.

        Raises:
            OptionError: If the size is not allowed.
        """
        check_size(size)
        animator = self._live_animator(self.head(avatar, size), size)
        speaker = Speaker(None if self.audio_prior.untrained else self.audio_prior)
        speech = LiveSpeech(self.face_model, self.config.speech, speaker, language)
        idle = idle_motion(self.face_model, self.config.speech, seed, self.config.render.focal_ratio)
        return LiveSpeaker(animator, speech, perform(idle, avatar, self.face_model, "relative", Style()))

    def _live_animator(self, head: PortraitHead, size: int) -> Animator:
        """An animator that composes no finer than its frames, as speed counts more."""
        return Animator(head, self.image_renderer, size, self.config.render, most_oversampling=1)

    def splat(self, avatar: Avatar, frame: MotionFrame) -> Gaussians:
        """The dense Gaussians of one expression, head frame; ``.save_ply("head.ply")`` writes them."""
        with torch.inference_mode():
            return self.animator(avatar.alone().seen_from_all_sides(), PORTRAIT_SIZE).splats(frame.expression, frame)

    def render(self, avatar: Avatar, frame: MotionFrame, camera: Camera) -> np.ndarray:
        """One frame from any viewpoint.

        Args:
            avatar: From :meth:`prepare`.
            frame: Its expression is shown; the camera replaces its pose.
            camera: Square, with the pipeline's focal ratio (see :meth:`Camera.from_pose`).

        Returns:
            uint8 ``[size, size, 3]``.

        Raises:
            OptionError: If the camera is not square or has another focal ratio.
        """
        check_square(camera, self.config.render.focal_ratio)
        rotation, translation = camera.head_pose()
        return self.animator(avatar, camera.width).frame(MotionFrame(frame.expression, rotation, translation))
