"""An avatar: everything about one portrait that does not change from frame to frame. Made once, savable."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from mggtalk.avatar.adapter import Adapter, PersonalField
from mggtalk.avatar.avatar_file import load_avatar, save_avatar
from mggtalk.avatar.binding import Binding, inner_points
from mggtalk.avatar.folds import Folds
from mggtalk.avatar.mouth_sheet import MouthSheet
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.photo_layers import PhotoLayers
from mggtalk.avatar.turning import Turning, soft_opacity
from mggtalk.avatar.window import MovingWindow
from mggtalk.errors import MediaError
from mggtalk.face.face_model import FaceModel
from mggtalk.inpaint.plates import Plates
from mggtalk.scene import Gaussians, MotionFrame
from mggtalk.speech.audio_prior import Voice

GROUPS: dict[str, type] = {
    "neighbours": Neighbours,
    "binding": Binding,
    "mirrored_binding": Binding,
    "back": Gaussians,
    "mouth": MouthSheet,
    "folds": Folds,
    "plates": Plates,
    "window": MovingWindow,
    "photos": PhotoLayers,
    "turning": Turning,
}
"""Fields of an avatar that are tuples of tensors."""


@dataclass(frozen=True)
class Avatar:
    """One person's head in the head frame, and the picture that it came from.

    N counts the visible points (pixels of the position map that show the head, row-major), M the mirrored ones.
    """

    identity: Tensor  # [I] coefficients of the face model
    expression: Tensor  # [K] beta_s
    rotation: Tensor  # [3, 3] source pose
    translation: Tensor  # [3] source pose, decimetres
    vertices: Tensor  # [V, 3] face model of the source, head frame
    mask: Tensor  # [H, W] bool, pixels of the position map that show the head
    neighbours: Neighbours  # who stands beside whom on the position map
    points: Tensor  # [N, 3] P_f
    colour: Tensor  # [N, 3] RGB of the parents
    colour_step: Tensor  # [N, 3] RGB of the children less that of their parents
    opacity: Tensor  # [N] head weight of the pixel
    binding: Binding  # of the visible points
    mirrored: Tensor  # [M] index of the visible twin of each mirrored point
    mirrored_points: Tensor  # [M, 3] P_f^s
    mirrored_colour: Tensor  # [M, 3] RGB to add to the twins': the light of the other side
    mirrored_binding: Binding
    back: Gaussians  # the back of the head; moves with the pose alone
    mouth: MouthSheet
    folds: Folds
    head_image: Tensor  # [1, 4, H, W] I_s^h on the position map: RGB premultiplied by the head mask, and the mask
    window: MovingWindow  # the part of the position map that expressions move
    plates: Plates
    pixel_size: Tensor  # [] decimetres that a map pixel covers at the depth of the head; stays on the host
    coarse_colour: Tensor | None = None  # [N, 3] RGB of parents without children; None: found when they are drawn
    notes: tuple[str, ...] = ()  # what the user should know about this portrait
    adapter: Adapter | PersonalField | None = None  # what was learned of this person from a clip
    photos: PhotoLayers | None = None  # what further photos of this person show
    turning: Turning | None = None  # what depends on where the head is seen from
    portrait: Tensor | None = None  # [S, S, 3] uint8, the square that it was made of
    fine: Tensor | None = None  # [F, F, 3] uint8, the same square with more pixels, if the picture has them
    consent: str | None = None  # who agreed, in the words of whoever made it
    voice: Voice | None = None  # how this person moves the lips, where an adapter says so; files of avatars lack it

    @property
    def source(self) -> MotionFrame:
        """The portrait's own expression and pose."""
        return MotionFrame(self.expression, self.rotation, self.translation)

    @cached_property
    def pixels(self) -> Tensor:
        """Row-major places of the N visible points on the map ``[N]``; found once: it waits for the GPU."""
        with torch.inference_mode(False):  # it may serve training later
            return self.mask.flatten().nonzero().squeeze(-1)

    @property
    def cells(self) -> tuple[Tensor, Tensor]:
        """Rows and columns ``[N]`` of the visible points on the map."""
        side = self.mask.shape[1]
        return self.pixels // side, self.pixels % side

    @cached_property
    def inner(self) -> tuple[Tensor, Tensor]:
        """Indices of the visible and of the mirrored points that lie in the eyes or the mouth; found once as well."""
        with torch.inference_mode(False):
            return inner_points(self.binding), inner_points(self.mirrored_binding)

    def position_map(self, points: Tensor) -> Tensor:
        """Scatter values of the N visible points ``[..., N, C]`` onto maps ``[..., C, H, W]``, zero elsewhere."""
        grid = points.new_zeros(*points.mT.shape[:-1], self.mask.numel())  # [..., C, H * W]
        return grid.index_copy(-1, self.pixels, points.mT).unflatten(-1, self.mask.shape)  # [..., C, H, W]

    def from_map(self, grid: Tensor) -> Tensor:
        """Values of the N visible points ``[..., N, C]`` from maps ``[..., C, H, W]``."""
        return grid.flatten(-2)[..., self.pixels].mT  # [..., N, C]

    def alone(self) -> Avatar:
        """A copy to be shown without its torso, whose hair would else close the back of the head below the ears."""
        if self.turning is None:
            return self
        return self.with_(back=self.back._replace(opacities=self.turning.back_alone))

    def seen_from_all_sides(self) -> Avatar:
        """A copy that looks from everywhere as it does turned away from the portrait's pose: for what knows no pose."""
        if self.turning is None:
            return self
        kept = (1.0 - self.turning.replaced) * (1.0 - self.turning.parted)  # [N]
        return self.with_(opacity=self.opacity * soft_opacity(kept), turning=None)

    def with_(self, **changes: object) -> Avatar:
        """A copy with some fields replaced. Other colours leave those of the coarse set to be found anew."""
        if "colour" in changes:
            changes.setdefault("coarse_colour", None)
        return replace(self, **changes)  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Avatar:
        """A copy on a device."""
        moved: dict[str, object] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name in ("notes", "consent", "portrait", "fine", "pixel_size") or value is None:
                continue
            if isinstance(value, Tensor | MovingWindow) or entry.name == "adapter":
                moved[entry.name] = value.to(device)
            else:
                moved[entry.name] = type(value)(*(part.to(device) for part in value))
        return self.with_(**moved)

    def save(self, path: str | Path, portrait: bool = True) -> Path:
        """Write a ``.safetensors`` file that :meth:`load` reads, marked as AI-made, with a checksum.

        Args:
            path: The file; it appears when it is complete.
            portrait: Whether the portrait itself is in it, if the avatar has it. The avatar's layers show the person
                in any case.

        Raises:
            MediaError: If it cannot be written there.
        """
        tensors: dict[str, Tensor] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name == "voice":
                continue  # it belongs to one audio prior, which the adapter's file names
            if isinstance(value, Tensor) and (portrait or entry.name not in ("portrait", "fine")):
                tensors[entry.name] = value
            elif entry.name == "adapter" and value is not None:
                tensors |= {f"adapter.{name}": part for name, part in value.tensors().items()}
            elif hasattr(value, "_asdict"):
                tensors |= {f"{entry.name}.{name}": part for name, part in value._asdict().items()}
        return save_avatar(path, tensors, self.notes, self.consent)

    @staticmethod
    def load(path: str | Path) -> Avatar:
        """Read an avatar, believing nothing that the file says.

        Raises:
            MediaError: If the file is not an avatar of this version, or not whole.
        """
        values = load_avatar(path, GROUPS)
        try:
            return Avatar(**values)
        except TypeError as error:
            brief = str(error).partition("()")[2][:80].strip()
            raise MediaError(f"{str(path)!r} is not whole ({brief}).", "Prepare the portrait again.") from error

    def check_fits(self, path: str | Path, face_model: FaceModel, map_size: int) -> None:
        """See whether an avatar that was loaded is of this face model and these maps.

        Args:
            path: Where it came from, for the message.
            face_model: The pipeline's.
            map_size: Side in pixels of the pipeline's position maps.

        Raises:
            MediaError: If it is not.
        """
        shapes = {
            "vertices": (len(self.vertices), len(face_model.mean)),
            "expression components": (len(self.expression), len(face_model.expression_basis)),
            "identity components": (len(self.identity), len(face_model.identity_basis)),
            "map pixels a side": (len(self.mask), map_size),
        }
        for name, (found, wanted) in shapes.items():
            if found != wanted:
                problem = f"The avatar {str(path)!r} has {found} {name}, this pipeline has {wanted}."
                raise MediaError(problem, "Prepare the portrait again.")
