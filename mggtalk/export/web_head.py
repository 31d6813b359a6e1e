"""A head for the web: blendshapes, the plates behind it, its camera, how it is moved by hand, and a motion to play."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.export.fit import SAMPLES, fit_blendshapes
from mggtalk.export.head_file import FORMAT, MOST_MEGABYTES, VERSION, HeadFile, Packer, crc, pack
from mggtalk.export.sound import TYPE
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.inpaint.follow import FOLLOWED, FREE, GRID, LEAST_REACH, NECK, PIVOT_DEPTH, STEPS, steepness
from mggtalk.inpaint.plates import SHOULDER
from mggtalk.media.provenance import mark_text
from mggtalk.motion.edit import Edit, blendshapes
from mggtalk.motion.retarget import close_lips
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import constants
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import Motion

PLATE_SIDE = 512
"""Longest side of the plates, pixels."""

FOLLOW_SIDE = 128
"""Side of the weight map."""

CONSENT_SENTENCE = "Made with the agreement of the person shown, in the words of whoever made it:"

UNSAID = "Whoever made this did not say that the person agreed."

CONTROLS = {
    "smile": Edit(smile=1.0),
    "frown": Edit(smile=-1.0),
    "jaw": Edit(jaw=1.0),
    "brows": Edit(brows=1.0),
    "doubt": Edit(brows=-1.0),
    "blink": Edit(blink=1.0),
    "look_right": Edit(gaze_x=30.0),
    "look_left": Edit(gaze_x=-30.0),
    "look_up": Edit(gaze_y=20.0),
    "look_down": Edit(gaze_y=-20.0),
}
"""Additions of the player's sliders, blinks and idle motion, by name."""


def make_web_head(
    pipe: MGGTalkPipeline,
    avatar: Avatar,
    motion: Motion | None = None,
    sound: bytes | None = None,
    samples: int = SAMPLES,
    on_progress: Progress = no_progress,
) -> HeadFile:
    """Make a head that can be driven without networks.

    Args:
        pipe: Predicts the Gaussians that the blendshapes are fitted to.
        avatar: The person; one that was learned from a clip as well. Of several photos it is the first one alone:
            which photo is shown is no linear function of the expression.
        motion: Already put on the avatar (:func:`mggtalk.motion.retarget.retarget`); without one the head idles.
        sound: What is heard with it, from :func:`mggtalk.export.sound.encode_sound`.
        samples: Expressions that are looked at.
        on_progress: Called with stage, steps done and steps in all.

    Raises:
        OptionError: If the head would be larger than :data:`mggtalk.export.head_file.MOST_MEGABYTES`.
    """
    side = max(avatar.mask.shape)
    with torch.inference_mode():
        animator = pipe.animator(avatar.with_(photos=None).seen_from_all_sides(), side)
        packer = Packer()
        fitted = pack(fit_blendshapes(animator, samples, on_progress), packer)
        plates = _plates(animator, packer)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "made": mark_text(),
        "consent": f"{CONSENT_SENTENCE} “{avatar.consent}”" if avatar.consent else UNSAID,
        "rasterizer": _rasterizer(avatar),
        "source": _pose(avatar.rotation, avatar.translation),
        "focal_ratio": animator.focal_ratio,
        **fitted,
        "plates": plates,
        "controls": _controls(pipe),
        "rest": (close_lips(pipe.face_model, avatar.identity, avatar.expression) - avatar.expression).tolist(),
        "motion": None if motion is None else _motion(motion, avatar, packer),
        "sound": None if sound is None or motion is None else packer.raw(sound) | {"type": TYPE},
    }
    block, length = packer.block()
    if len(block) > MOST_MEGABYTES * 1e6:
        problem = f"The head would have {len(block) / 1e6:.1f} MB, more than {MOST_MEGABYTES:g}."
        raise OptionError(problem, "Give a shorter motion.")
    return HeadFile(header | {"length": length, "crc": crc(block)}, block)


def _rasterizer(avatar: Avatar) -> dict[str, float]:
    """The numbers that decide which Gaussian touches which pixel; ``side`` is what they are meant for."""
    return {
        "side": float(avatar.plates.background.shape[-1]),
        "blur": constants.BLUR,
        "near": constants.NEAR,
        "field_margin": constants.FIELD_MARGIN,
        "max_extent": constants.MAX_EXTENT,
        "min_alpha": constants.MIN_ALPHA,
        "max_alpha": constants.MAX_ALPHA,
    }


def _plates(animator: Animator, packer: Packer) -> dict[str, Any]:
    """Background, torso and the weights with which it follows, as pictures in the block."""
    plates = animator.avatar.plates
    torso = (plates.torso * (1.0 - plates.loose)).clamp(0.0, 1.0)  # the player turns heads, and has one torso
    maps = torch.cat([plates.follow, plates.nearer])[None]  # [1, 2, S, S]
    follow, nearer = torch.nn.functional.interpolate(maps, size=(FOLLOW_SIDE, FOLLOW_SIDE), mode="area")[0]  # [F, F]
    return {
        "background": packer.raw(_encode(plates.background, "JPEG", quality=92)),
        "torso": packer.raw(_encode(torso[:3], "JPEG", quality=94)),
        "torso_alpha": packer.raw(_encode(torso[3:], "PNG")),
        "follow": packer.add(follow.reshape(-1, 1), 8) | {"side": FOLLOW_SIDE},
        "nearer": packer.add(nearer.reshape(-1, 1), 8),
        "shoulder": SHOULDER,
        "grid": GRID,
        "steps": STEPS,
        "pivot_depth": PIVOT_DEPTH,
        "neck": list(NECK),
        "steep": float(steepness(plates.follow)),
        "least_reach": LEAST_REACH,
        "followed": FOLLOWED,
        "free": FREE,
    }


def _encode(picture: Tensor, kind: str, **options: int) -> bytes:
    """A picture ``[1 or 3, S, S]`` in [0, 1] as the bytes of a file."""
    array = (picture.clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(np.ascontiguousarray(array if array.shape[2] == 3 else array[..., 0]))
    if max(image.size) > PLATE_SIDE:
        image = image.resize((PLATE_SIDE, PLATE_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    if kind == "JPEG":
        image.save(stream, kind, subsampling=0, **options)
    else:
        image.save(stream, kind, optimize=True)
    return stream.getvalue()


def _controls(pipe: MGGTalkPipeline) -> dict[str, list[float]]:
    """Changes of expression ``[K]`` by name."""
    found = {}
    for name, edit in CONTROLS.items():
        weights = torch.zeros(len(NAMES))
        for shape, value in blendshapes(edit).items():
            weights[INDEX[shape]] = value
        step = pipe.face_model.from_blendshapes(weights) - pipe.face_model.from_blendshapes(torch.zeros(len(NAMES)))
        found[name] = [float(f"{value:.5g}") for value in step.tolist()]
    return found


def _motion(motion: Motion, avatar: Avatar, packer: Packer) -> dict[str, Any]:
    """Changes of expression and poses of each frame."""
    torso = None if motion.torso is None else packer.add(motion.torso.flatten(1), 16)
    return {
        "torso": torso,
        "frames": len(motion),
        "fps": motion.fps,
        "expression": packer.add(motion.expression - avatar.expression, 16),
        "rotation": packer.add(motion.rotation.flatten(1), 16),
        "translation": packer.add(motion.translation, 16),
    }


def _pose(rotation: Tensor, translation: Tensor) -> dict[str, list[float]]:
    return {"rotation": rotation.flatten().tolist(), "translation": translation.tolist()}
