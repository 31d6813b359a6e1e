"""Write the example motions in ``examples/``: performances written down as curves, of nobody in particular.

Run it again whenever the face model changes: ``python -m scripts.make_example_motions``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mggtalk.config import RenderConfig
from mggtalk.face.blendshapes import INDEX
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import euler_to_rotation
from mggtalk.motion.motion_file import save_motion
from mggtalk.runtime.cache import EMBEDDED
from mggtalk.scene import Motion

FPS = 25.0
DISTANCE = 11.0
"""From the camera to the head in decimetres: a head-and-shoulders picture."""

Curves = dict[str, np.ndarray]
"""Values over time by name: blendshapes without a side (0 to 1), and pitch, yaw and roll (degrees)."""


def ramp(time: np.ndarray, start: float, end: float) -> np.ndarray:
    """From 0 at ``start`` to 1 at ``end``, without corners."""
    place = np.clip((time - start) / (end - start), 0.0, 1.0)
    return place * place * (3.0 - 2.0 * place)


def hold(time: np.ndarray, start: float, end: float, slope: float = 0.4) -> np.ndarray:
    """Rise to 1 at ``start``, fall at ``end``; each takes ``slope`` seconds."""
    return ramp(time, start, start + slope) * (1.0 - ramp(time, end - slope, end))


def blinks(time: np.ndarray, *moments: float) -> np.ndarray:
    """Lids that close in 80 ms and open in 160 ms."""
    closed = np.zeros_like(time)
    for moment in moments:
        closed = np.maximum(closed, ramp(time, moment - 0.08, moment) * (1.0 - ramp(time, moment + 0.04, moment + 0.2)))
    return closed


def smile_and_nod(time: np.ndarray) -> Curves:
    """A smile comes up, two nods, and it fades."""
    smile = hold(time, 0.4, 3.7, 0.7)
    nods = hold(time, 1.2, 2.9, 0.3) * np.sin(2.0 * math.pi * (time - 1.2) / 0.85)
    return {
        "mouthSmile": 0.85 * smile,
        "cheekSquint": 0.4 * smile,
        "eyeSquint": 0.3 * smile,
        "browInnerUp": 0.5 * hold(time, 0.6, 1.8),
        "browOuterUp": 0.4 * hold(time, 0.6, 1.8),
        "eyeBlink": blinks(time, 0.5, 3.1),
        "pitch": 7.0 * nods,
        "roll": 3.0 * smile,
    }


def look_around(time: np.ndarray) -> Curves:
    """To one side and to the other, the eyes first; then up, with raised brows."""
    sides = hold(time, 0.5, 2.0, 0.5) - hold(time, 2.1, 3.6, 0.5)
    glance = hold(time, 0.35, 1.7, 0.25) - hold(time, 1.95, 3.3, 0.25)
    up = hold(time, 3.6, 4.8, 0.4)
    return {
        "lookRight": 0.6 * np.clip(glance, 0.0, 1.0),
        "lookLeft": 0.6 * np.clip(-glance, 0.0, 1.0),
        "eyeLookUp": 0.5 * up,
        "eyeWide": 0.3 * up,
        "browInnerUp": 0.8 * up,
        "browOuterUp": 0.7 * up,
        "jawOpen": 0.15 * up,
        "eyeBlink": blinks(time, 0.45, 2.05, 3.65),
        "yaw": 22.0 * sides,
        "roll": 4.0 * sides,
        "pitch": -6.0 * up,
    }


def chatter(time: np.ndarray) -> Curves:
    """Lips as in speech: syllables of changing size, rounded and spread, closed now and then."""
    talking = hold(time, 0.2, 3.8, 0.2)
    syllable = 0.5 - 0.5 * np.cos(2.0 * math.pi * 4.2 * time + 1.3 * np.sin(2.1 * time))
    size = 0.6 + 0.4 * np.sin(2.0 * math.pi * 0.9 * time + 0.5)
    rounded = 0.5 + 0.5 * np.sin(2.0 * math.pi * 1.4 * time)
    return {
        "jawOpen": 0.55 * talking * syllable * size,
        "mouthFunnel": 0.35 * talking * syllable * rounded,
        "mouthPucker": 0.4 * talking * rounded * (1.0 - 0.5 * syllable),
        "mouthStretch": 0.3 * talking * (1.0 - rounded),
        "mouthLowerDown": 0.4 * talking * syllable * (1.0 - rounded),
        "mouthUpperUp": 0.25 * talking * syllable * (1.0 - rounded),
        "mouthPress": 0.4 * talking * (1.0 - syllable) ** 3,
        "browInnerUp": 0.4 * hold(time, 1.0, 1.7, 0.25) + 0.3 * hold(time, 2.6, 3.2, 0.25),
        "eyeBlink": blinks(time, 0.9, 2.4, 3.6),
        "pitch": 2.5 * talking * np.sin(2.0 * math.pi * 0.8 * time),
        "yaw": 4.0 * talking * np.sin(2.0 * math.pi * 0.35 * time),
        "roll": 2.0 * talking * np.sin(2.0 * math.pi * 0.5 * time + 1.0),
    }


MOTIONS: dict[str, tuple[Callable[[np.ndarray], Curves], float]] = {
    "chatter": (chatter, 4.0),
    "look_around": (look_around, 5.0),
    "smile_and_nod": (smile_and_nod, 4.0),
}
"""Curves and seconds by name."""


def to_weights(curves: Curves, frames: int) -> torch.Tensor:
    """Blendshape weights ``[T, 52]`` relative to a face at rest; ``lookRight`` is toward the viewer's right."""
    weights = torch.zeros(frames, len(INDEX))
    gaze = {"lookRight": ("eyeLookOutLeft", "eyeLookInRight"), "lookLeft": ("eyeLookInLeft", "eyeLookOutRight")}
    for name, values in curves.items():
        if name in ("pitch", "yaw", "roll"):
            continue
        names = (name,) if name in INDEX else gaze.get(name, (f"{name}Left", f"{name}Right"))
        for shape in names:
            weights[:, INDEX[shape]] = torch.from_numpy(values).float()
    return weights


def to_motion(curves: Curves, frames: int, face_model: FaceModel) -> Motion:
    """The motion that curves of ``frames`` values describe."""
    zero = np.zeros(frames)
    degrees = np.stack([curves.get(name, zero) for name in ("pitch", "yaw", "roll")], axis=-1)  # [T, 3]
    return Motion(
        expression=face_model.from_blendshapes(to_weights(curves, frames)),
        rotation=euler_to_rotation(torch.from_numpy(np.radians(degrees)).float()),
        translation=torch.tensor([0.0, 0.0, DISTANCE]).expand(frames, 3).clone(),
        fps=FPS,
        face_model=face_model.version,
        focal_ratio=RenderConfig().focal_ratio,
    )


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=EMBEDDED.parent / "examples", help="folder to write to")
    options = parser.parse_args()
    face_model = FaceModel.from_file(EMBEDDED / "face_model.safetensors")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, (curves, seconds) in MOTIONS.items():
        frames = round(seconds * FPS)
        motion = to_motion(curves(np.arange(frames) / FPS), frames, face_model)
        save_motion(motion, options.out / f"{name}.npz")
        print(f"{options.out / name}.npz: {frames} frames, expression up to {motion.expression.abs().max():.1f} sd")


if __name__ == "__main__":
    main()
