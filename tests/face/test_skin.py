"""Skin is skin in more and in less light."""

from __future__ import annotations

import torch

from mggtalk.face.skin import LIGHTS, like_skin, skin_distance

SKIN = torch.tensor((0.8, 0.6, 0.5))


def test_light_makes_no_difference_within_its_bounds() -> None:
    light = torch.linspace(0.3, 1.5, 25)
    distance = skin_distance(light * SKIN[:, None], SKIN[:, None], (0.5, 1.2))
    beyond = (0.5 - light).clamp(min=0.0) + (light - 1.2).clamp(min=0.0)
    assert torch.allclose(distance, beyond * SKIN.norm(), atol=1e-6)


def test_what_is_of_another_hue_is_as_far_as_its_hue_differs() -> None:
    across = torch.linalg.cross(SKIN, torch.tensor((0.0, 0.0, 1.0)))
    colour = 0.9 * SKIN + 0.2 * across / across.norm()
    assert torch.allclose(skin_distance(colour, SKIN, (0.5, 1.2)), torch.tensor(0.2), atol=1e-6)


def test_skin_in_shadow_is_skin_and_cloth_is_not() -> None:
    colours = torch.stack([0.6 * SKIN, 1.4 * SKIN, torch.tensor((0.2, 0.3, 0.7)), 0.2 * SKIN], dim=-1)
    like = like_skin(colours[:, None], SKIN)[0]  # [4]
    assert like[:2].min() > 0.999 and like[2] < 0.01
    assert LIGHTS[0] > 0.2 and like[3] < 0.2, "too dark to tell"
