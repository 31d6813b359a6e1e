"""Configuration: one frozen dataclass per stage, every field explained. Saved as JSON beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from mggtalk.errors import OptionError

EXPRESSION_COMPONENTS = 64
"""Dimension of beta, the paper's."""

NO_BADGE_STATEMENT = "I declare that viewers are told by other means that this is AI-made"
"""Statement that a user must make to have no visible badge. It is written into the file's metadata."""


REGIONS = ("lips", "eyes", "face", "pose", "all")
"""Parts of a driver that a portrait can follow: lips with jaw and cheeks; lids, gaze and brows; both; the head."""

GAZES = ("driver", "camera")
"""Where the eyes look: where the driver's do, or always into the camera."""

CONSENT = "The person in this clip agreed that an avatar is made of them"
"""Statement that a user must make before a clip is learned from. It is written into the adapter."""


@dataclass(frozen=True)
class MediaConfig:
    """Limits of what is read; larger input is refused with a message, before it is decoded."""

    max_image_megabytes: float = 200.0  # size of a still's file
    max_image_megapixels: float = 50.0  # width x height of a still
    min_image_side: int = 64  # pixels; smaller stills show no usable face
    max_video_megabytes: float = 4000.0  # size of a driving video's file
    max_video_seconds: float = 600.0  # length of a driving video
    max_video_side: int = 4096  # longer side of a driving video in pixels
    max_video_megapixels: float = 17.0  # width x height of a driving video
    max_sound_megabytes: float = 4000.0  # size of a recording's file, which may be a video's
    max_sound_seconds: float = 4000.0  # length of a recording, more than an hour
    max_fps: float = 60.0  # higher frame rates are reduced to this

    @classmethod
    def page_limits(cls) -> MediaConfig:
        """Limits of a public page for strangers: 10 MB and 50 MP stills, 100 MB, 60 s and 1080p videos, 120 s sound.

        Upright and square videos of as many pixels as 1920 x 1080 are taken as well.
        """
        return cls(
            max_image_megabytes=10.0,
            max_image_megapixels=50.0,
            max_video_megabytes=100.0,
            max_video_seconds=60.0,
            max_video_side=1920,
            max_video_megapixels=2.1,
            max_sound_megabytes=100.0,
            max_sound_seconds=120.0,
        )


@dataclass(frozen=True)
class TrackerConfig:
    """Face tracking."""

    detection_threshold: float = 0.5  # least detector score of a face
    presence_threshold: float = 0.5  # least landmark-network score; under it the face counts as lost
    max_faces: int = 8  # faces looked for in a still
    min_face_pixels: int = 32  # least width of a usable face in pixels
    bridge_seconds: float = 1.0  # longest gap that is bridged by interpolation
    smooth: bool = True  # zero-lag smoothing over a video


@dataclass(frozen=True)
class MatteConfig:
    """The person matte network."""

    size: int = 256  # side of the square that the network sees, pixels
    width: int = 16  # channels of its first stage


@dataclass(frozen=True)
class FaceModelConfig:
    """The landmark 3DMM and its fit."""

    identity_components: int = 48  # size of the identity basis
    identity_weight: float = 0.005  # ridge weight of identity coefficients (in standard deviations)
    expression_weight: float = 0.02  # ridge weight of expression coefficients
    depth_weight: float = 0.35  # weight of the tracker's z against x and y


@dataclass(frozen=True)
class DSGRConfig:
    """Depth-aware symmetric geometry reconstruction."""

    map_size: int = 256  # side H = W of the position map
    crop_margin: float = 0.06  # room around the head in the crop, over its longer side
    bini_k: float = 2.0  # stiffness of the bilateral weights, METHODS: k = 2
    bini_iterations: int = 12  # most re-weighted solves
    bini_tolerance: float = 1e-3  # relative change of energy that ends them
    voxel_size: float = 0.04  # decimetres; about 1/40 of a head's width
    thickness: float = 0.12  # decimetres around an original in which a mirrored point is dropped; 0: same voxel
    drop_hidden: bool = False  # reading B of the occlusion rule as well: drop mirrored points behind the seen surface
    mirror: bool = True  # off: no symmetric half (ablation "w/o Sym.")
    trust: bool = True  # off: the voxel filter alone says which points of the mirrored half are kept
    filter: bool = True  # off: mirror without the filter (ablation "w/o Gauss. Filter")
    refine: bool = True  # off: no learned refinement (ablation "w/o Refine")
    refine_width: int = 24  # channels of the refinement UNet
    refine_stride: int = 4  # its maps are this many times smaller than the position map


@dataclass(frozen=True)
class DeformationConfig:
    """Motion deformation, eq. 9."""

    hidden: int = 128  # width of the residual MLP
    layers: int = 3  # its hidden layers
    frequencies: int = 4  # octaves of the positional encoding


@dataclass(frozen=True)
class SGPConfig:
    """Symmetric Gaussian prediction."""

    stride: int = 4  # the decoders' maps are this many times smaller than the position map
    features: int = 32  # channels of the identity features F
    encoder_width: int = 24  # first-stage channels of the identity encoder
    decoder_width: int = 40  # first-stage channels of the Gaussian decoder
    sym_width: int = 16  # channels of each of the four sym-decoder nets
    child_width: int = 16  # channels of the densify net
    points: bool = True  # off: the Gaussian decoder does not see the driven points (ablation "w/o Point Cloud")
    sym_decoder: bool = True  # off: mirrored points are exact mirrors of their twins (ablation "w/o Sym Decoder")
    sym_twin: bool = True  # off: the sym decoder does not see the twins' parameters (ablation "w/o G_d")
    densify: bool = True  # one child per Gaussian (off: ablation "w/o Densify")
    mouth_width: int = 16  # channels of the mouth-sheet decoder


@dataclass(frozen=True)
class InpaintConfig:
    """The image network."""

    width: int = 24  # first-stage channels of the residual UNet
    stride: int = 4  # its maps are this many times smaller than the picture
    depth: int = 3  # halvings below that
    side: int = 256  # the residual is predicted on a picture of this side, whatever the size of the frame


MOST_ENERGY = 2.0
"""Greatest :attr:`SpeechConfig.energy`: beyond it lips leave what faces do."""


@dataclass(frozen=True)
class SpeechConfig:
    """Speech to expression by rules."""

    sample_rate: int = 16000  # Hz; everything is resampled to this
    fps: float = 25.0  # frame rate of the motion
    blinks_per_minute: float = 16.0  # mean blink rate
    head_motion: float = 1.0  # strength of the invented head motion; 0 keeps the head still
    mouth: float = 1.0  # strength of the lip motion
    energy: float = 1.0  # how lively all of it is: multiplies lips, head and brows; blinks come as often
    listener: bool = False  # the head listens to the recording, it does not speak it


@dataclass(frozen=True)
class AudioPriorConfig:
    """The learned residual of the speech rules."""

    taps: int = 9  # of the linear filter over the likely phones or the sounds, 40 ms apart
    region: int = 12  # M, directions of expression that it moves
    encoder: str = ""  # speech encoder whose sounds the filter reads: a folder, or a name; "" reads likely phones
    layer: int = 2  # of the encoder, behind which it is read
    hidden: int = 0  # H, width of that layer
    places: int = 0  # frames of a window of the encoder
    sounds: int = 0  # D, directions of it that are read; 0 without an encoder
    closing: float = 0.85  # how far the rules' closures (P, B, M, F, V) take the place of what is learned
    rounding: float = 0.4  # of the rules' rounding (O, U, W, R, SH), added to what is learned


ENCODED = AudioPriorConfig(taps=5, closing=0.7, encoder="smart-turn-v3.2", hidden=384, places=400, sounds=96)
"""The residual that a speech encoder hears for; ``mggtalk/speech/smart_turn.py`` fetches that encoder."""


@dataclass(frozen=True)
class RenderConfig:
    """Rasterisation."""

    focal_ratio: float = 2.5  # focal length over the side of the square picture
    batch: int = 8  # frames that a CUDA device draws at once; a CPU draws one on each core
    cuda_graph: bool = False  # a CUDA device replays the networks' work on a batch; never run on a GPU yet


@dataclass(frozen=True)
class PipelineConfig:
    """Everything, as it stands in ``config.json``."""

    name: str = "tiny"
    media: MediaConfig = field(default_factory=MediaConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    face_model: FaceModelConfig = field(default_factory=FaceModelConfig)
    dsgr: DSGRConfig = field(default_factory=DSGRConfig)
    deformation: DeformationConfig = field(default_factory=DeformationConfig)
    sgp: SGPConfig = field(default_factory=SGPConfig)
    inpaint: InpaintConfig = field(default_factory=InpaintConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    audio_prior: AudioPriorConfig = field(default_factory=AudioPriorConfig)
    encoded_prior: AudioPriorConfig = field(default_factory=lambda: ENCODED)
    render: RenderConfig = field(default_factory=RenderConfig)


@dataclass(frozen=True)
class Ablation:
    """Parts that are left out, as in the paper's Table 3. The shapes of all weights stay as they are."""

    refine: bool = False  # the learned refinement of the point cloud
    symmetry: bool = False  # the mirrored half
    filter: bool = False  # all that drops points of the mirrored half
    trust: bool = False  # trust by sight: the voxel filter alone says which mirrored points are kept
    points: bool = False  # the driven points as input of the Gaussian decoder
    sym_decoder: bool = False  # the learned residual of the mirrored half
    sym_twin: bool = False  # the visible twins' parameters G_d as input of the sym decoder
    densify: bool = False  # the children

    @staticmethod
    def of(names: Iterable[str]) -> Ablation:
        """Make the ablation without the parts of these names, in which a hyphen may stand for the underscore.

        Raises:
            OptionError: If a name is not known.
        """
        known = [part.name.replace("_", "-") for part in fields(Ablation)]
        unknown = sorted({name for name in names if name not in known})
        if unknown:
            raise OptionError(f"Unknown ablation {', '.join(unknown)}.", f"Choose from {', '.join(known)}.")
        return Ablation(**{name.replace("-", "_"): True for name in names})

    def applied(self, config: PipelineConfig) -> PipelineConfig:
        """A configuration without these parts, to train or to evaluate."""
        dsgr, sgp = config.dsgr, config.sgp
        return replace(
            config,
            dsgr=replace(
                dsgr,
                refine=dsgr.refine and not self.refine,
                mirror=dsgr.mirror and not self.symmetry,
                filter=dsgr.filter and not self.filter,
                trust=dsgr.trust and not self.trust,
            ),
            sgp=replace(
                sgp,
                points=sgp.points and not self.points,
                sym_decoder=sgp.sym_decoder and not self.sym_decoder,
                sym_twin=sgp.sym_twin and not self.sym_twin,
                densify=sgp.densify and not self.densify,
            ),
        )


def tiny() -> PipelineConfig:
    """The embedded configuration: runs on two CPU cores."""
    return PipelineConfig()


def paper() -> PipelineConfig:
    """The paper-size configuration of the same code."""
    return PipelineConfig(
        name="paper",
        dsgr=DSGRConfig(refine_width=64, refine_stride=1),
        deformation=DeformationConfig(hidden=256, layers=3, frequencies=6),
        sgp=SGPConfig(
            stride=1, features=64, encoder_width=64, decoder_width=64, sym_width=64, child_width=64, mouth_width=64
        ),
        inpaint=InpaintConfig(width=64, stride=1, depth=4, side=512),
    )


SIZES = (128, 1024)
"""Least and greatest side of an output frame."""

FIELDS_OF_VIEW = (10.0, 60.0)
"""Least and greatest field of view, degrees; the portrait's camera has 22.6."""


def check_size(size: int) -> None:
    """Refuse sizes of a frame that cannot be made.

    Raises:
        OptionError: If the side is odd, too small or too large.
    """
    low, high = SIZES
    if size % 2 or not low <= size <= high:
        raise OptionError(f"The size is {size}.", f"Choose an even number from {low} to {high}.")


def check_field_of_view(degrees: float) -> None:
    """Refuse fields of view that no sensible camera has.

    Raises:
        OptionError: If it is out of range.
    """
    low, high = FIELDS_OF_VIEW
    if not low <= degrees <= high:
        raise OptionError(f"The field of view is {degrees:g} degrees.", f"Choose {low:g} to {high:g}.")


def check_yaw(low: float, high: float, limit: float = 90.0) -> tuple[float, float]:
    """Check a range of yaw angles in degrees.

    Raises:
        OptionError: If it is empty or turns further than ``limit`` to a side.
    """
    if not (math.isfinite(low) and math.isfinite(high) and -limit <= low < high <= limit):
        raise OptionError(
            f"The yaw range is {low:g}:{high:g}.",
            f"Give the least and the greatest yaw in degrees, between -{limit:g} and {limit:g}, as in -30:30.",
        )
    return low, high


def check_follow(regions: Iterable[str], gaze: str) -> None:
    """Refuse parts of a driver, or a gaze, that do not exist.

    Raises:
        OptionError: If one does not.
    """
    chosen = list(regions)
    unknown = [region for region in chosen if region not in REGIONS]
    if unknown or not chosen:
        found = f"The region {unknown[0]!r:.40} does not exist." if unknown else "No region is followed."
        raise OptionError(found, f"Choose of {', '.join(REGIONS)}.")
    if gaze not in GAZES:
        raise OptionError(f"The gaze is {gaze!r:.40}.", f"Choose {' or '.join(GAZES)}.")


def check_consent(statement: str | None) -> str:
    """Check what a user says before a clip is learned from; case, spaces and a full stop do not matter.

    Returns:
        :data:`CONSENT`.

    Raises:
        OptionError: If it says something else.
    """
    if " ".join(str(statement or "").split()).rstrip(".").casefold() != CONSENT.casefold():
        said = "nothing was said about consent" if not statement else f"the statement is {str(statement)[:80]!r}"
        raise OptionError(f"An avatar is made of people who agreed to it only; {said}.", f'Say "{CONSENT}".')
    return CONSENT


def check_learning(minutes: float, held_out: float) -> None:
    """Check how an avatar is to be learned from a clip.

    Args:
        minutes: Time for it.
        held_out: Share of the clip that is only measured.

    Raises:
        OptionError: If one is out of range.
    """
    if not 0.0 < minutes <= 600.0:
        raise OptionError(f"The time to learn is {minutes:g} minutes.", "Choose up to 600.")
    if not 0.0 <= held_out <= 0.5:
        raise OptionError(f"The held-out share is {held_out:g}.", "Choose 0 to 0.5.")
