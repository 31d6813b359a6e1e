"""From a folder of videos and pictures to a corpus: track, judge, cut, mask, build avatars, pack. Resumable.

Every clip is on its own: it is finished when its tar has its name, so a killed run goes on where it was, and processes
or machines can share a folder, each with a shard of the clips.
"""

from __future__ import annotations

import functools
import json
import logging
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from mggtalk.config import Ablation
from mggtalk.errors import MediaError, MGGTalkError, OptionError
from mggtalk.face.blendshapes import MIRROR, NAMES
from mggtalk.face.crop import SquareCrop, choose_crop
from mggtalk.face.masks import HeadMasks, head_masks
from mggtalk.face.matte import PersonMatte
from mggtalk.face.topology import VERTICES, mirror_permutation
from mggtalk.media import VideoReader, load_image, open_video
from mggtalk.media.image import IMAGE_SUFFIXES
from mggtalk.motion.driver import fit_motion
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.runtime.files import whole_file
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import FaceTrack
from mggtalk.training.data.checks import ClipLimits, check_fit, check_length, check_track
from mggtalk.training.data.corpus import ClipWriter
from mggtalk.training.data.packing import pack_avatar
from mggtalk.training.data.shard import WHOLE, Shard
from mggtalk.training.data.sources import choose_sources

logger = logging.getLogger(__name__)


class TrackMismatchError(MediaError):
    """A known track does not belong to the video."""


@dataclass(frozen=True)
class PreprocessConfig:
    """Settings of storing clips."""

    every: int = 2  # stride over the frames of the video
    sources: int = 4  # avatars per clip
    mirror: bool = False  # also store motion and avatars of the mirrored clip
    most_side: int = 512  # larger squares are scaled down to this, pixels
    mask_side: int = 256  # of the masks, pixels
    quality: int = 95  # of the JPEGs
    ablations: tuple[str, ...] = ()  # parts that the avatars lack, see mggtalk.config.Ablation
    limits: ClipLimits = field(default_factory=ClipLimits)  # which clips are refused


class Summary(NamedTuple):
    """Files that a run left behind."""

    stored: tuple[str, ...]  # names of the clips of this shard that the folder holds
    refused: dict[str, str]  # reason by file name


def preprocess(
    clips: list[Path],
    out: str | Path,
    config: PreprocessConfig | None = None,
    tracks: str | Path | None = None,
    shard: Shard = WHOLE,
    workers: int = 1,
    weights: str | None = None,
    on_progress: Progress = no_progress,
) -> Summary:
    """Store clips. Those that are stored or refused already are left alone.

    Args:
        clips: Videos and pictures; their stems are the names.
        out: Folder of the corpus; made if it is missing.
        config: How they are stored.
        tracks: Folder with ``<stem>.npz`` of known tracks (landmarks, blendshapes, found, fps, width, height); what it
            lacks is tracked here.
        shard: Which of the clips.
        workers: Processes at work at once.
        weights: Folder or hub id of the face model and the matte.
        on_progress: Called with stage, clips done and clips in all.

    Returns:
        What was stored and refused, with earlier runs.

    Raises:
        OptionError: If an option is not allowed, or two clips have the same name.
    """
    config = config or PreprocessConfig()
    _check_options(clips, config, tracks, workers)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    mine = sorted(clips)[shard.index :: shard.count]
    refused = _read_refusals(out / shard.refusals, config)
    left = [path for path in mine if path.name not in refused and not _target(path, out).exists()]
    done = len(mine) - len(left)
    on_progress("preprocess", done, len(mine))
    for path, reason in _run(left, out, config, None if tracks is None else Path(tracks), workers, weights):
        if reason is not None:
            logger.warning("%s is refused: %s", path.name, reason)
            refused[path.name] = reason
            _write_refusals(out / shard.refusals, config, refused)
        done += 1
        on_progress("preprocess", done, len(mine))
    stored = tuple(path.stem for path in mine if _target(path, out).exists())
    return Summary(stored, {path.name: refused[path.name] for path in mine if path.name in refused})


def _run(
    clips: list[Path], out: Path, config: PreprocessConfig, tracks: Path | None, workers: int, weights: str | None
) -> Iterator[tuple[Path, str | None]]:
    """Store clips in this process or in several; yields each with the reason for which it was refused."""
    if not clips:
        return
    job = functools.partial(_attempt, out=out, config=config, tracks=tracks, weights=weights)
    if workers == 1:
        for path in clips:
            yield path, job(path)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        jobs = {pool.submit(job, path): path for path in clips}
        for finished in as_completed(jobs):
            yield jobs[finished], finished.result()


@functools.lru_cache(maxsize=1)
def _pipeline(weights: str | None, ablations: tuple[str, ...]) -> MGGTalkPipeline:
    """The pipeline of this process. Without learned residuals: what is stored must not depend on a training."""
    pipe = MGGTalkPipeline.from_pretrained(weights, prior=True)
    pipe.config = Ablation.of(ablations).applied(pipe.config)
    return pipe


def _attempt(path: Path, out: Path, config: PreprocessConfig, tracks: Path | None, weights: str | None) -> str | None:
    """Store one clip; the reason if it is refused."""
    pipe, target = _pipeline(weights, config.ablations), _target(path, out)
    known = None if tracks is None else tracks / f"{path.stem}.npz"
    try:
        if known is None or not known.exists():
            store_clip(pipe, path, target, config)
        else:
            try:
                store_clip(pipe, path, target, config, load_track(known))
            except TrackMismatchError as error:
                logger.warning("%s is tracked again: %s", path.name, error)
                store_clip(pipe, path, target, config)
    except (MGGTalkError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
        return str(error)
    return None


def store_clip(
    pipe: MGGTalkPipeline, path: Path, target: Path, config: PreprocessConfig, track: FaceTrack | None = None
) -> None:
    """Store one clip; a picture is a clip of one frame.

    Args:
        pipe: Without learned residuals.
        path: The video, or the picture.
        target: The tar to write; it appears when it is complete.
        config: How it is stored.
        track: Of every frame of the video, if it is known.

    Raises:
        MediaError: If the file cannot be read.
        TrackMismatchError: If it is not the one that was tracked.
        NoFaceError: If it shows no face.
        SeveralFacesError: If a picture shows several.
        ClipRefusedError: If it is not fit for training.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        image = load_image(path, pipe.config.media)
        single = replace(config, limits=replace(config.limits, least_frames=1))
        _store(pipe, [image], pipe.tracker.still(image), path, target, single)
        return
    with open_video(path, pipe.config.media) as reader:
        if track is None:
            track = pipe.tracker.video(reader, reader.fps)
        else:
            check_belongs(track, reader)
        _store(pipe, reader, track, path, target, config)


def _store(
    pipe: MGGTalkPipeline,
    frames: Iterable[np.ndarray],
    track: FaceTrack,
    path: Path,
    target: Path,
    config: PreprocessConfig,
) -> None:
    """Judge, cut, mask and pack tracked frames, see :func:`store_clip`."""
    window = choose_crop(track.landmarks.mean(0), track.width, track.height, "none")
    window = window._replace(x0=round(window.x0), y0=round(window.y0))  # whole pixels: nothing is resampled
    side = min(config.most_side, int(window.side))
    square = window.track(track, side)
    check_track(square, config.limits)
    kept = list_strides(square, config.every)
    check_length(len(kept), config.limits)
    motion, fit = fit_motion(pipe.face_model, kept, pipe.config.render.focal_ratio)
    check_fit(fit.rms_pixels, kept.landmarks, side, config.limits)
    sources = choose_sources(motion, config.sources)
    with ClipWriter(target) as writer:
        writer.add_facts(path.stem, motion, config.every, side, sources, path.name)
        writer.add_motion(motion)
        if config.mirror:
            writer.add_motion(fit_motion(pipe.face_model, mirror_track(kept), motion.focal_ratio)[0], mirrored=True)
        for count, frame in enumerate(frames):
            index, rest = divmod(count, config.every)
            if rest:
                continue
            picture = window.cut(frame, side)
            masks = masks_at(pipe.matte, picture, kept.landmarks[index], config.mask_side)
            writer.add_frame(index, picture, masks.head, masks.person, config.quality)
            if index in sources:
                add_source(writer, pipe, window.cut(frame, PORTRAIT_SIZE), one_frame(kept, index), index, config)


def check_belongs(track: FaceTrack, reader: VideoReader) -> None:
    """Compare a known track with the video, which is decoded for that: what its header says is only an estimate.

    Raises:
        TrackMismatchError: If the sizes or the numbers of frames differ.
    """
    count = sum(1 for _ in reader)
    video, known = (reader.width, reader.height, count), (track.width, track.height, len(track))
    if video != known:
        seen, told = (f"{frames} frames of {width}x{height} pixels" for width, height, frames in (video, known))
        raise TrackMismatchError(f"The video {reader.path.name} has {seen}, its track {told}.", "Track it again.")


def add_source(
    writer: ClipWriter,
    pipe: MGGTalkPipeline,
    portrait: np.ndarray,
    track: FaceTrack,
    index: int,
    config: PreprocessConfig,
) -> None:
    """Append the avatar of a frame, and that of its mirror image if one is wanted."""
    track = SquareCrop(0.0, 0.0, float(track.width)).track(track, PORTRAIT_SIZE)
    writer.add(f"sources/{index:06d}.safetensors", pack_avatar(pipe._avatar(portrait, track, no_progress)))
    if config.mirror:
        flipped = np.ascontiguousarray(portrait[:, ::-1])
        avatar = pipe._avatar(flipped, mirror_track(track), no_progress)
        writer.add(f"mirror/{index:06d}.safetensors", pack_avatar(avatar))


def masks_at(matte: PersonMatte, picture: np.ndarray, landmarks: np.ndarray, side: int) -> HeadMasks:
    """Masks of a square frame at another size.

    Args:
        matte: The network.
        picture: uint8 ``[S, S, 3]``.
        landmarks: ``[478, 3]`` in its pixels.
        side: Of the masks.
    """
    scale = side / picture.shape[0]
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))  # [side, side, 3]
    points = landmarks * scale
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    alpha = matte(small, box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])))
    return head_masks(alpha, points)


def mirror_track(track: FaceTrack) -> FaceTrack:
    """The track of the mirrored pictures."""
    landmarks = track.landmarks[:, mirror_permutation()].copy()  # [T, 478, 3]
    landmarks[..., 0] = track.width - landmarks[..., 0]
    return replace(track, landmarks=landmarks, blendshapes=track.blendshapes[:, list(MIRROR)])


def list_strides(track: FaceTrack, every: int) -> FaceTrack:
    """Each ``every``-th frame of a track."""
    return replace(
        track,
        landmarks=np.ascontiguousarray(track.landmarks[::every]),
        blendshapes=track.blendshapes[::every],
        found=track.found[::every].copy(),
        fps=track.fps / every,
    )


def one_frame(track: FaceTrack, index: int) -> FaceTrack:
    """One frame of a track, as a still."""
    one = slice(index, index + 1)
    return replace(track, landmarks=track.landmarks[one], blendshapes=track.blendshapes[one], found=track.found[one])


def load_track(path: Path) -> FaceTrack:
    """Read a track that was stored as ``.npz``.

    Raises:
        MediaError: If it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            track = FaceTrack(
                landmarks=archive["landmarks"].astype(np.float32),
                blendshapes=archive["blendshapes"].astype(np.float32),
                found=archive["found"].astype(bool),
                fps=float(archive["fps"]),
                width=int(archive["width"]),
                height=int(archive["height"]),
            )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise MediaError(f"The track {path} cannot be read ({error}).", "Track its video again.") from error
    frames = len(track.found)
    if frames == 0 or track.landmarks.shape != (frames, VERTICES, 3) or track.blendshapes.shape != (frames, len(NAMES)):
        shape = track.landmarks.shape
        raise MediaError(f"The track {path} has landmarks of shape {shape}.", "Track its video again.")
    return track


def _target(path: Path, out: Path) -> Path:
    """The tar of a video."""
    return out / f"{path.stem}.tar"


def _check_options(clips: list[Path], config: PreprocessConfig, tracks: str | Path | None, workers: int) -> None:
    """Refuse options that cannot be.

    Raises:
        OptionError: With the first one.
    """
    for name, value in (
        ("stride", config.every),
        ("number of sources", config.sources),
        ("number of workers", workers),
    ):
        if value < 1:
            raise OptionError(f"The {name} is {value}.", "Give 1 or more.")
    if tracks is not None and not Path(tracks).is_dir():
        raise OptionError(f"The folder of tracks {str(tracks)!r} does not exist.", "Give another, or leave it out.")
    stems: dict[str, Path] = {}
    for path in clips:
        if stems.setdefault(path.stem, path) != path:
            problem = f"{stems[path.stem].name} and {path.name} have the same stem."
            raise OptionError(problem, "Rename one: stems are the names in the corpus.")


def _read_refusals(path: Path, config: PreprocessConfig) -> dict[str, str]:
    """Reasons by file name, from an earlier run; none if its options were others, under which it judged."""
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        same = known["config"] == json.loads(json.dumps(asdict(config)))  # JSON has no tuples
        return dict(known["refused"]) if same else {}
    except (ValueError, TypeError, KeyError) as error:
        raise OptionError(f"{path} is damaged ({error}).", "Delete it: the clips are judged again.") from error


def _write_refusals(path: Path, config: PreprocessConfig, refused: dict[str, str]) -> None:
    """Replace the list of refused clips."""
    text = json.dumps({"config": asdict(config), "refused": refused}, indent=2, ensure_ascii=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
