"""Sizes of a TalkingGaussian head, and how it is learned."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class GridConfig:
    """A tri-plane grid of several resolutions.

    The published bound is 0.15 of a unit that is about a metre; ours is the same length in decimetres.
    """

    base: int  # nodes of the first level, along a side
    finest: float  # nodes of the last level: those between grow by the same factor each
    levels: int = 12  # features of a plane, one per level
    bound: float = 1.5  # decimetres from the middle to each side

    @property
    def features(self) -> int:
        """Length of a position code: three planes of one feature per level."""
        return 3 * self.levels


FACE_GRID = GridConfig(base=16, finest=256 * 0.15)
"""The face's: 16 to 39 nodes."""

MOUTH_GRID = GridConfig(base=64, finest=384 * 0.15)
"""The inside of the mouth's, as released: its finest level is coarser than its first one."""


LIMITS = {"axes": 64, "lips": 256, "hidden": 256, "mouth_hidden": 256}
"""Largest sizes that are believed when a file states them."""

MOST_NODES, MOST_LEVELS = 256, 16
"""And of grids."""


@dataclass(frozen=True)
class FieldConfig:
    """Sizes of a head, and parts that can be left out."""

    face_grid: GridConfig = FACE_GRID
    mouth_grid: GridConfig = MOUTH_GRID
    axes: int = 8  # E, principal axes of the clip's expressions that the motion sees
    lips: int = 32  # A, features of the lips, which stand where the paper has those of speech
    hidden: int = 64  # width of the face's motion MLP
    mouth_hidden: int = 32  # and of the mouth's
    rig: bool = True  # off: the driven face model stays as it is, not this person's
    light: bool = True  # off: colours follow neither expression nor pose, as published
    drift: bool = True  # off: places follow expression and pose by eq. 9, the rig and the learned motion alone
    motion: bool = True  # off: no learned motion, only that of eq. 9
    face_mouth: bool = True  # off: no branch of its own for the inside of the mouth (ablation "w/o face-mouth")
    colour: bool = False  # GGTalker's colour MLP: the motion changes colours and opacities as well

    def to_json(self) -> str:
        """Everything, for a file."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> FieldConfig:
        """The configuration that a file states.

        Raises:
            ValueError: If it cannot be read, or a size is out of range.
            TypeError: If it has other fields.
        """
        values: dict[str, Any] = json.loads(text)
        values.setdefault("drift", False)  # files from before there was one
        grids = {name: GridConfig(**values.pop(name, {})) for name in ("face_grid", "mouth_grid")}
        config = FieldConfig(**{**values, **grids})
        for name, most in LIMITS.items():
            if not 1 <= int(getattr(config, name)) <= most:
                raise ValueError(f"its {name} is {getattr(config, name)!r:.20}")
        for grid in grids.values():
            sides = (float(grid.base), float(grid.finest))
            if not (2 <= min(sides) <= max(sides) <= MOST_NODES and 1 <= grid.levels <= MOST_LEVELS and grid.bound > 0):
                raise ValueError(f"it has a grid of {grid.base} to {grid.finest} nodes")
        return config


@dataclass(frozen=True)
class Rates:
    """Steps of Adam, by what learns.

    Single Gaussians learn slowly and their regions fast: at four times these steps the perceptual distance that is
    learned with goes on falling, and another one rises.
    """

    points: float = 3e-5  # decimetres, of single Gaussians
    coarse_points: float = 2e-4  # decimetres, of regions
    coarse_colour: float = 3e-3  # RGB, of regions
    shape: float = 5e-4  # log-scales and quaternions
    colour: float = 1e-3  # RGB
    directional: float = 5e-5  # harmonics of degree 1, a twentieth as published
    logits: float = 3e-3
    grid: float = 5e-3
    network: float = 1e-3


@dataclass(frozen=True)
class LearnConfig:
    """Settings of learning a head; times are shares of the whole.

    The perceptual distance is that of two networks: against one of them alone, shreds and speckles are learned after
    some 350 steps that it does not see and the other one does.
    """

    minutes: float = 5.0  # most time for it
    steps: int = 1500  # and most steps; the rates fall to zero with whichever comes first
    static: float = 0.15  # first stage: persistent parameters alone
    fusion: float = 0.15  # last stage: colours and opacities alone
    drift_frames: int = 24  # frames by which the drift is found
    light_frames: int = 48  # and by which the light is
    open_frames: int = 64  # and of open mouths, by which that inside the mouth is
    incremental: bool = True  # off: all frames are equally likely (ablation "w/o incremental sampling")
    window_every: int = 3  # while incremental, each so many-th step takes a frame of the window
    l1: float = 1.0
    ssim: float = 0.2  # weight of 1 - SSIM, lambda
    lpips: float = 0.3  # weight of the learned perceptual distance, gamma; single Gaussians turn to noise for more
    lpips_every: int = 2  # it is asked in each so many-th step, as it costs as much as all the rest
    inside: float = 0.5  # weight of the mouth's branch alone, inside the lips
    mouth: float = 3.0  # extra weight of the mouth's pixels
    eyes: float = 2.0  # extra weight of the eyes' pixels
    still: float = 1e-5  # weight of the learned motion's mean size, as published
    seed: int = 0
    rates: Rates = field(default_factory=Rates)
