"""Augmentation of a source and its targets: both are changed in the same way, so that they stay one person.

Mirror images are no augmentation here: ``preprocess --mirror`` stores motion and avatars of the mirrored clip, because
a child Gaussian stands to the right of and below its parent, which a mirrored avatar would have the other way round.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.inpaint.plates import Plates
from mggtalk.render.constants import SH_0


class ColourJitter(NamedTuple):
    """A change of colours: ``gain * x ^ gamma`` per channel, which keeps [0, 1] in [0, 1]."""

    gain: Tensor  # [3] in (0, 1]
    gamma: float

    @staticmethod
    def draw(generator: torch.Generator, strength: float = 0.2) -> ColourJitter:
        """A random change.

        Args:
            generator: Of the draw.
            strength: 0: none. Gamma is in ``[1 / (1 + strength), 1 + strength]``; all gains together are lowered by up
                to the strength, and single channels by up to half of it, which turns the hue.
        """
        brightness, gamma, *channels = torch.rand(5, generator=generator).tolist()
        hue = 1.0 - 0.5 * strength * torch.tensor(channels)  # [3]
        return ColourJitter(gain=hue * (1.0 - strength * brightness), gamma=(1.0 + strength) ** (2.0 * gamma - 1.0))

    def of(self, colours: Tensor, channel: int = -1) -> Tensor:
        """Change colours; beyond [0, 1], as calibrated colours may be, the change is linear.

        Args:
            colours: Any shape with an axis of the three channels.
            channel: That axis.

        Returns:
            The same shape.
        """
        shape = [1] * colours.ndim
        shape[channel] = 3
        inside = colours.clamp(0.0, 1.0)
        return self.gain.to(colours).view(shape) * (inside.pow(self.gamma) + (colours - inside))

    def of_avatar(self, avatar: Avatar, plates: bool = True) -> Avatar:
        """The avatar that would have been made of the changed portrait, nearly; its plates only if they are needed."""
        colour, twins = self.of(avatar.colour), avatar.colour[avatar.mirrored]
        back = avatar.back.harmonics.clone()
        back[:, 0] = (self.of(back[:, 0] * SH_0 + 0.5) - 0.5) / SH_0
        mouth = avatar.mouth._replace(
            colour=self.of(avatar.mouth.colour), cavity=self.of(avatar.mouth.cavity), teeth=self.of(avatar.mouth.teeth)
        )
        return avatar.with_(
            colour=colour,
            colour_step=self.of(avatar.colour + avatar.colour_step) - colour,
            mirrored_colour=self.of(twins + avatar.mirrored_colour) - self.of(twins),
            back=avatar.back._replace(harmonics=back),
            mouth=mouth,
            folds=avatar.folds._replace(colour=self.of(avatar.folds.colour)),
            head_image=self._premultiply(avatar.head_image, 1),
            plates=self._of_plates(avatar.plates) if plates else avatar.plates,
        )

    def _of_plates(self, plates: Plates) -> Plates:
        """The layers behind the head."""
        return plates._replace(background=self.of(plates.background, 0), torso=self._premultiply(plates.torso, 0))

    def _premultiply(self, layers: Tensor, channel: int) -> Tensor:
        """Change RGB that is premultiplied by the alpha beside it: four channels along an axis."""
        colours, alpha = layers.split([3, 1], dim=channel)
        changed = self.of((colours / alpha.clamp(min=1e-3)).clamp(0.0, 1.0), channel)
        return torch.cat([changed * alpha, alpha], dim=channel)


def resize_picture(image: Tensor, side: int) -> Tensor:
    """A square picture ``[C, S, S]`` at another size."""
    if image.shape[-1] == side:
        return image
    return F.interpolate(image[None], size=(side, side), mode="bilinear", antialias=True, align_corners=False)[0]
