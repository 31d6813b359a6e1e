"""Paint further photos of the same person onto an avatar; see :mod:`mggtalk.avatar.photo_layers`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.animate.animator import Animator
from mggtalk.animate.calibrate import smooth
from mggtalk.animate.head import PortraitHead
from mggtalk.avatar.adapter import features
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.avatar.photo_layers import PhotoLayers
from mggtalk.avatar.turning import turn_shares
from mggtalk.face.lips import lip_heights
from mggtalk.motion.deformation import Driven, drive
from mggtalk.nets.maps import fill, step, to_colour_map
from mggtalk.portrait.photos import (
    OTHER_LIGHT,
    Photo,
    compare_light,
    draw_landmarks,
    find_double,
    find_openings,
    match_colours,
    part_regions,
    region_axes,
    weigh_sight,
)
from mggtalk.render.constants import SH_0
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Gaussians
from mggtalk.sgp.mouth.decoder import sheet_points

ROUNDS = 2
"""Corrections of the colours of a photo."""

ENDLESS, HELD = (0.1, 0.2), (0.9, 1.0)
"""Correction of a colour up to which a photo is believed at a point, and from which it is not: what needs more is not
what is drawn there; and how much the face must hold a point for it to be believed nevertheless."""

SURE = 3.0
"""Inverse of the sight from which on a point is corrected fully."""

WHOLE, DOUBT = (0.78, 0.88), 200.0
"""Share of the eyes or the mouth that a photo must show to be shown there at all, and without doubt; and the
doubt of one that shows less: as if its expression were 20 units of a code away."""

WIDER = (0.6, 1.0)
"""Opening of the lips over the first photo's from which a photo begins to tell what is inside, and tells all of it."""

OPEN = (0.03, 0.06)
"""Decimetres between the lips from which on a photo tells something of the inside of the mouth, and all of it."""


@torch.no_grad()
def paint_photos(
    animator: Animator, head: PortraitHead, photos: Sequence[Photo], on_progress: Progress = no_progress
) -> Avatar:
    """Add what further photos show.

    Args:
        animator: Renders the head at the photos' size.
        head: Of the first photo's avatar, with the identity of all photos.
        photos: The others, S x S pixels.
        on_progress: Called with stage, steps done and steps in all.

    Returns:
        The avatar with photo layers. Seen as one of the photos was, it gives its face back.
    """
    avatar, axes = head.avatar, region_axes(head.face_model)
    frames = [avatar.source, *(photo.frame for photo in photos)]
    count, points, vertices = len(photos), avatar.points, avatar.vertices
    layers = PhotoLayers(
        axes=axes,
        codes=torch.stack([axes @ features(frame) for frame in frames], dim=1),  # [3, 1 + L, D]
        doubt=torch.zeros(len(axes), 1 + count),
        regions=part_regions(points, vertices),
        vertex_regions=part_regions(vertices, vertices),
        seen=torch.zeros(count, len(points)),
        colour=torch.zeros(count, len(points), 9),
        vertices=torch.zeros(count, len(vertices), 3),
        sheet=torch.zeros(count, ROWS * COLUMNS, 7),
    )
    for index, photo in enumerate(photos):
        on_progress("photos", index, count)
        _Painter(animator, head, layers, index, photo).paint()
    on_progress("photos", count, count)
    return avatar.with_(photos=layers).to("cpu")


class _Painter:
    """Paints one photo."""

    def __init__(self, animator: Animator, head: PortraitHead, layers: PhotoLayers, index: int, photo: Photo) -> None:
        self.animator, self.head, self.layers, self.index, self.photo = animator, head, layers, index, photo
        self.alone = torch.zeros(layers.codes.shape[:2])  # [3, 1 + L]
        self.alone[:, 1 + index] = 1.0

    def paint(self) -> None:
        """Write the photo's part of the layers."""
        layers, index, photo, avatar = self.layers, self.index, self.photo, self.head.avatar
        layers.vertices[index] = draw_landmarks(photo, self.head.vertices(photo.frame.expression))
        driven, splats = self.draw(avatar)
        openings = find_openings(photo)
        seen = weigh_sight(avatar, driven, photo, openings, self.first_colours())
        if avatar.turning is not None:  # what a pose or a mouth hides is not drawn: no correction would ever end
            drawn = avatar.turning.visible(turn_shares(avatar.source, photo.frame, avatar.turning))
            seen = seen * drawn * (1.0 - avatar.turning.replaced)
        layers.doubt[1:, 1 + index] = doubt_parts(seen, layers.regions[1:], avatar)
        wide = self.open_wider(driven.vertices)
        layers.seen[index] = seen = seen * torch.where(avatar.binding.part >= Part.UPPER_MOUTH, wide, 1.0)
        children = len(avatar.points) + len(avatar.mirrored)
        own, child = (photo.project(p)[0] for p in (driven.points, splats.means[children:][: len(avatar.points)]))
        skin = seen * (avatar.binding.part == Part.SKIN)
        first = self.first_colours()
        gain = match_colours(photo.colours_at(own), first, skin)
        photo = photo._replace(picture=(gain[:, None, None] * photo.picture).clamp(0.0, 1.0))
        matched, skin = photo.colours_at(own), layers.regions[0] * (avatar.binding.part == Part.SKIN)
        light = compare_light(avatar, matched, first, skin * seen)
        double = step(light, *OTHER_LIGHT) * find_double(avatar, matched, first)
        layers.seen[index] = seen = seen * (1.0 - skin * double)
        layers.sheet[index, :, 3:6] = wide * self.look_inside(driven, photo, openings[2:])
        colour = torch.cat([photo.colours_at(own), photo.colours_at(child)], dim=1)  # [N, 6]
        trust = (SURE * seen).clamp(max=1.0)[:, None]  # at the border of what is seen errors are of other points
        plain = colour
        for _ in range(ROUNDS):
            layers.colour[index, :, :6] = colour
            error = smooth(photo.picture - self.picture(self.draw(avatar)[1]))  # [3, S, S]
            at_points = torch.cat([to_colour_map(error, place, photo.size) for place in (own, child)], dim=1)
            colour = (colour + trust * at_points).clamp(-0.2, 1.2)
        free = 1.0 - step(avatar.binding.weights.sum(-1), *HELD)  # [N]
        layers.seen[index] = seen = seen * (1.0 - free * step((colour - plain).abs().amax(1), *ENDLESS))
        layers.colour[index] = torch.cat([colour, colour[:, :3]], dim=1)
        if avatar.coarse_colour is not None:
            coarse = avatar.with_(colour=avatar.coarse_colour, coarse_colour=avatar.coarse_colour)
            shown = to_colour_map(self.picture(self.draw(coarse)[1]), own, photo.size)  # [N, 3]
            error = avatar.position_map(seen[:, None] * (photo.colours_at(own) - shown))
            layers.colour[index, :, 6:] = (colour[:, :3] + avatar.from_map(smooth(error))).clamp(-0.2, 1.2)

    def open_wider(self, vertices: Tensor) -> Tensor:
        """Tell in [0, 1] whether the lips of a mesh ``[V, 3]`` are as far apart as the first photo's.

        Less open lips tell less of what is inside: stretched, they would put lip and darkness over its teeth.
        """
        own, first = (lip_heights(mesh).max().clamp(min=0.0) for mesh in (vertices, self.head.avatar.vertices))
        return step(own / first.clamp(min=OPEN[0]), *WIDER)

    def look_inside(self, driven: Driven, photo: Photo, opening: Tensor) -> Tensor:
        """What brings the sheet of the mouth to the colours of an open mouth, RGB ``[R*C, 3]``; zero for a closed one.

        Args:
            driven: The avatar's geometry in the photo.
            photo: With its colours matched to the first one's.
            opening: Mask of the open lips ``[1, S, S]``.
        """
        mouth, decoder = self.head.avatar.mouth, self.head.sgp.mouth_decoder
        points, gap = sheet_points(driven.vertices)
        pixels = photo.project(points)[0]
        known = to_colour_map(opening, pixels, photo.size)[:, 0]  # [R*C]
        known = known * ((gap - OPEN[0]) / (OPEN[1] - OPEN[0])).clamp(0.0, 1.0)
        wanted, change = photo.colours_at(pixels), torch.zeros_like(points)
        for _ in range(2):  # the decoder paints less where it sees teeth
            touch = F.pad(change, (3, 1))  # [R*C, 7]
            shown = decoder(mouth, driven.vertices, driven.expression, touch).harmonics[:, 0] * SH_0 + 0.5
            change = change + spread(wanted - shown, known)
        return change

    def draw(self, avatar: Avatar) -> tuple[Driven, Gaussians]:
        """Geometry and Gaussians of the photo's expression, with nothing but this photo's colours where it sees."""
        head, expression = self.head, self.photo.frame.expression
        touch = self.layers.touches(avatar).touch(self.alone)
        driven = drive(head.deformation, head.face_model, avatar, expression, touch)
        coarse = avatar.colour is avatar.coarse_colour
        return driven, (head.sgp.coarse if coarse else head.sgp.dense)(avatar, driven, head.features)

    def picture(self, splats: Gaussians) -> Tensor:
        """The composite ``[3, S, S]`` in the photo's pose."""
        return self.animator.layers(splats, self.photo.frame).composite[0]

    def first_colours(self) -> Tensor:
        """RGB ``[N, 3]`` that the first photo shows at its points."""
        avatar = self.head.avatar
        seen = avatar.from_map(avatar.head_image[0])  # [N, 4] premultiplied RGB, alpha
        return seen[:, :3] / seen[:, 3:].clamp(min=0.05)


def doubt_parts(seen: Tensor, regions: Tensor, avatar: Avatar) -> Tensor:
    """Doubt a photo where it hides a part of the eyes or the mouth: half of it, joined to another's half, is no mouth.

    Args:
        seen: How well it shows the points ``[N]``.
        regions: Share of each such region in them ``[R, N]``.
        avatar: Whose points they are.

    Returns:
        What is taken from the logarithm of its shares ``[R]``.
    """
    skin = regions * (avatar.binding.part == Part.SKIN)  # [R, N]
    shown = (skin @ seen) / skin.sum(1).clamp(min=1e-6)  # [R]
    return DOUBT * (1.0 - step(shown, *WHOLE))


def spread(values: Tensor, known: Tensor) -> Tensor:
    """Spread values ``[R*C, 3]`` of the sheet from where they are known, ``[R*C]`` in [0, 1], over all of it."""
    if float(known.max()) < 0.5:
        return torch.zeros_like(values)
    grid = values.T.reshape(1, 3, ROWS, COLUMNS)
    return fill(grid, known.view(1, 1, ROWS, COLUMNS))[0].flatten(1).T  # [R*C, 3]
