"""Draw the picture of the README: a public-domain portrait that talks and turns. ``python -m scripts.make_teaser``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from mggtalk.geometry import euler_to_rotation, rotation_to_euler
from mggtalk.media import save_image
from mggtalk.motion.motion_file import load_motion
from mggtalk.motion.retarget import retarget
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import MotionFrame

ROOT = Path(__file__).resolve().parent.parent
SIZE = 256


def main() -> None:
    """Render two rows: expressions, and views of one expression."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "teaser.jpg")
    out = parser.parse_args().out
    pipe = MGGTalkPipeline.from_pretrained()
    avatar = pipe.prepare(data.astronaut())
    animator = pipe.animator(avatar, SIZE)
    portrait = Image.fromarray(data.astronaut()).resize((SIZE, SIZE), Image.Resampling.LANCZOS)

    def frames(name: str, indices: list[int]) -> list[np.ndarray]:
        motion = retarget(load_motion(ROOT / "examples" / f"{name}.npz"), avatar, "relative", pipe.face_model)
        return [animator.frame(motion[index]) for index in indices]

    speaking = retarget(pipe.listen(ROOT / "examples" / "hello.flac"), avatar, "relative", pipe.face_model)
    gap = pipe.face_model.vertices(avatar.identity, speaking.expression)[:, [13, 14], 1] @ torch.tensor((1.0, -1.0))
    loud = [int(index) for index in gap.argsort(descending=True)[[0, 40]]]
    top = [np.asarray(portrait), *frames("look_around", [28, 60]), *frames("chatter", [12])]
    top += [animator.frame(speaking[index]) for index in loud]
    angles = rotation_to_euler(avatar.rotation)
    views = []
    for yaw in (-30, -18, -6, 6, 18, 30):
        turned = angles.clone()
        turned[1] = math.radians(yaw)
        views.append(
            animator.frame(MotionFrame(speaking.expression[loud[1]], euler_to_rotation(turned), avatar.translation))
        )
    out.parent.mkdir(exist_ok=True)
    save_image(out, np.concatenate([np.concatenate(top, axis=1), np.concatenate(views, axis=1)], axis=0))


if __name__ == "__main__":
    main()
