"""Plates behind the head: the torso, its neck continued under the jaw, and the background."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.face.masks import HeadMasks
from mggtalk.face.skin import like_skin
from mggtalk.inpaint.fill_background import fill_background
from mggtalk.inpaint.strands import add_strands, find_strands, without_strands
from mggtalk.nets.maps import dilate, fill, step

SHOULDER = 1.0
"""Slope at which a torso goes on beside the picture, down over out: the colours of its border, falling like shoulders
and hair. What is near the border does not come again: hair and neck would fly beside the person."""

RIM = 0.012
"""How far around the person the background is filled as well, over the side of the picture."""

SEEN = 0.03
"""Matte from which on there may be a person."""

SOLID = 0.98
"""Weight of the head from which on no background mixes into its colour."""

KNOWN = 0.9
"""Share of a pixel that must show the torso alone for its colour to be known."""

LIT, SHADED, GUESS = 0.8, 0.85, 0.02
"""Brightness of a neck below the jaw over that of the cheeks, that of the neck behind the jaw over the one below it,
and weight of such a guess where skin below the jaw tells more. In 25 clips skin is .61 as bright as the cheeks at the
line of the jaw, and .84 a fifth of the face further down."""

DARKER, UNDER = 0.75, (0.0, 0.03)
"""Brightness of hair behind the cheek over that of the hair which is seen, and how far from it, over the side of the
picture, that begins and is so: face VGG of three clips -.0003 to -.0011 against none, more is worse on one."""

LITTLE = 1e-3
"""Weight of what stands beside a neck where hair does: it counts only where nothing below the jaw is seen."""

ENOUGH = 0.002
"""Share of the picture that shows skin below the jaw at which its colour counts as much as that of the face."""

COLLAR = (0.05, 0.12)
"""How far behind the jaw, over the side of the picture, what is seen below it goes on, and from where on it is skin."""

AROUND = 0.08
"""How far around a neck that no hair stands beside all is skin, over the side of the picture."""

MOST = 0.998
"""Share of the picture that a hole may have and still be filled from around it."""


class Plates(NamedTuple):
    """The layers behind the head, on the pixels of the square portrait."""

    background: Tensor  # [3, S, S] RGB in [0, 1], filled behind the whole person
    torso: Tensor  # [4, S, S] premultiplied RGB and alpha
    follow: Tensor  # [1, S, S] share of the head's motion that a torso pixel takes
    nearer: Tensor  # [1, S, S] decimetres that it lies before the plane about which the neck turns
    loose: Tensor  # [1, S, S] share of a torso pixel that leaves it as the head turns


def find_hole(person: Tensor) -> Tensor:
    """Find where a picture may not show its background, bool ``[S, S]``: the person's matte ``[S, S]`` and a rim."""
    reach = max(2, round(RIM * person.shape[-1]))
    return dilate((person > SEEN).float()[None, None], reach)[0, 0] > 0


def background_plate(portrait: Tensor, person: Tensor) -> Tensor:
    """The background with the person taken out and filled from around.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        person: Matte ``[S, S]``.

    Returns:
        ``[3, S, S]``; the portrait but for the person and a rim, which the matte's soft edge and light from the person
        would colour.
    """
    hole = find_hole(person)
    if float(hole.sum()) > MOST * hole.numel():  # the person covers the picture: continue its border
        return fill(portrait[None], (1.0 - person)[None, None].clamp(min=1e-3))[0]
    return fill_background(portrait, hole.numpy())


def make_plates(
    portrait: Tensor, masks: HeadMasks, matte: Tensor, skin: Tensor, nearer: Tensor | None = None
) -> Plates:
    """Split a portrait into the layers behind its head.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        masks: Soft weights of the same square.
        matte: Person ``[S, S]`` before its edges were sharpened: wherever it sees one, there may be some hair.
        skin: Colour of the face ``[3]``.
        nearer: Decimetres that pixels lie before the plane about which the neck turns, ``[1, S, S]``; None: on it.

    Returns:
        The plates.
    """
    person, head, stays, follow, hanging, neck, parted, beside, behind, strands, loose, _ = (
        torch.from_numpy(mask) for mask in masks.weights
    )  # [S, S] each
    torso = torch.maximum(stays, loose)
    head = head * (1.0 - (parted + beside).clamp(max=1.0))
    seen = torch.maximum(person, matte)
    hole = find_hole(seen).numpy()
    hair = fill(portrait[None], (head > SOLID).float()[None, None])[0]  # [3, S, S] or other colours of the head nearby
    wisps = find_strands(portrait, hole, hair, masks.follow)
    background = background_plate(without_strands(portrait, hole, wisps), seen)
    # The torso's own colour is known where the head does not cover it and the matte is full.
    known = (1.0 - head / person.clamp(min=1e-3)).clamp(0, 1) * person.pow(4)  # [S, S]
    colour = portrait
    if float(known.sum()) > 0:
        view = TorsoView(known, torso, neck, behind, strands, bool((hanging > 0.5).any()))
        colour = continue_torso(portrait, view, skin)
    # Where the pixel is not under the head, torso over background must give the picture itself, soft edges included.
    bare = (1.0 - head).pow(2)[None]  # [1, S, S]
    exact = (portrait - (1.0 - torso) * background).clamp(min=0.0).minimum(torso)  # premultiplied
    premultiplied = colour * torso + bare * (exact - colour * torso)
    # What the torso cannot give, an unsure matte over a strong colour, goes into the background; not where it moves.
    missing = portrait - premultiplied - (1.0 - torso) * background  # [3, S, S]
    missing = bare * (1.0 - follow).pow(4) * (torso > 0) * missing / (1.0 - torso).clamp(min=0.1)
    background = (background + missing).clamp(0.0, 1.0)
    torso = add_strands(portrait, torch.cat([premultiplied, torso[None]]), background, head, hair, wisps)
    # Strands leave as far as they go with the head.
    stays = stays + (1.0 - follow) * (torso[3] - torch.maximum(stays, loose)).clamp(min=0.0)  # [S, S]
    leaving = (torso[3] - stays) / torso[3].clamp(min=1e-6)
    nearer = torch.zeros_like(follow)[None] if nearer is None else nearer
    return Plates(background, torso, follow[None], nearer, leaving[None])


class TorsoView(NamedTuple):
    """What a portrait shows of the torso, and what is behind the head; weights in [0, 1] on its pixels."""

    known: Tensor  # [S, S] share of each pixel that shows the torso alone
    torso: Tensor  # [S, S] its alpha
    neck: Tensor  # [S, S] see HeadMasks, like those that follow
    behind: Tensor  # [S, S]
    strands: Tensor  # [S, S]
    hair: bool  # whether long hair hangs beside the face; else all around is neck and collar


def continue_torso(portrait: Tensor, view: TorsoView, skin: Tensor) -> Tensor:
    """Continue the colours of neck, hair and clothes behind the head.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        view: Of its torso.
        skin: Colour of the face ``[3]``.

    Returns:
        ``[3, S, S]``; about the portrait where the torso is known.
    """
    known, torso, neck, behind, strands, hair = view
    colour = fill(portrait[None], known[None, None].clamp(max=1.0))[0]
    # Behind the jaw skin goes on, in its shadow, not the collar beside it, nor hair.
    naked = known * like_skin(portrait, skin).pow(4) * (neck if hair else 1.0)  # [S, S]
    guess = GUESS * neck
    sure = guess + naked
    like = (naked * portrait).sum((1, 2)) + ENOUGH * naked.numel() * LIT * skin  # [3]
    like = like / (naked.sum() + ENOUGH * naked.numel())  # [3] the neck's own colour
    seen = (naked * portrait + guess * like[:, None, None]) / sure.clamp(min=1e-6)
    goes_on = fill(seen[None], sure.clamp(max=1.0)[None, None])[0]
    hidden = known < KNOWN  # [S, S]
    away = torch.from_numpy(ndimage.distance_transform_edt(hidden.numpy()) / len(hidden)).float()  # [S, S]
    deep = step(away, *COLLAR)  # [S, S]
    shade = 1.0 - (1.0 - SHADED) * deep  # [S, S] the jaw's own shadow
    if not hair:
        near = dilate(neck[None, None], round(AROUND * len(neck)))[0, 0]  # [S, S]
        return torch.lerp(colour, shade * goes_on, deep * near)
    column = fill(portrait[None], (known * neck.clamp(min=LITTLE)).clamp(max=1.0)[None, None])[0]
    colour = torch.lerp(colour, column, neck * hidden)
    colour = torch.lerp(colour, shade * goes_on, deep * neck)
    # Hair goes on as hair, not as a collar or the neck.
    seen_hair = (strands > 0.5) & ~hidden
    goes_on = fill_background(portrait, ~seen_hair.numpy(), (behind > SEEN).numpy())
    dark = 1.0 - (1.0 - DARKER) * step(away, *UNDER)  # [S, S]
    colour = torch.lerp(colour, dark * goes_on, behind * hidden)
    rest = hidden & (torch.maximum(neck, behind) < 0.5)
    return fill_background(colour, rest.numpy(), (torso > SEEN).numpy())


def resize(image: Tensor, size: int) -> Tensor:
    """A square picture ``[C, S, S]`` at another size; at strong edges values may leave its range a little."""
    if image.shape[-1] == size:
        return image
    return F.interpolate(image[None], size=(size, size), mode="bicubic", antialias=True, align_corners=False)[0]


def resize_plates(plates: Plates, size: int) -> Plates:
    """The plates at another size; weights and depths keep their own."""
    background, torso = (resize(plate, size).clamp(0.0, 1.0) for plate in (plates.background, plates.torso))
    return plates._replace(background=background, torso=torso, loose=resize(plates.loose, size).clamp(0.0, 1.0))
