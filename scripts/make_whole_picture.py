"""Draw the README's picture of a whole photo: three people of the examples in one picture, each with its own motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mggtalk import MGGTalkPipeline
from mggtalk.media import save_image
from mggtalk.media.marks import lay_over
from mggtalk.motion.motion_file import load_motion
from mggtalk.photo.people import open_photo, prepare_sitter
from mggtalk.photo.video import Role, animate_photo
from mggtalk.scene import select

ROOT = Path(__file__).parents[1]
PEOPLE, MOTIONS, MOMENTS = ("amara", "tomas", "mei"), ("chatter", "look_around", "smile_and_nod"), (80, 20, 30)
SIDE = 320


def main() -> None:
    """Write ``assets/whole.jpg``: the photo, the three in motion, one of them before nothing."""
    faces = [Image.open(ROOT / f"examples/portraits/{name}.jpg").resize((SIDE, SIDE)) for name in PEOPLE]
    pipe = MGGTalkPipeline.from_pretrained()
    photo = open_photo(pipe, np.concatenate([np.asarray(face) for face in faces], axis=1))
    people = {index: prepare_sitter(pipe, photo, index) for index in range(len(PEOPLE))}
    motions = [load_motion(ROOT / f"examples/{name}.npz") for name in MOTIONS]
    roles = {index: Role(select(motions[index], [0, moment], 1.0)) for index, moment in enumerate(MOMENTS)}
    moved = list(animate_photo(pipe, photo, people, roles))[1]
    avatar = pipe.prepare(ROOT / "examples/portraits/mei.jpg")
    free = next(iter(pipe.animate(avatar, select(motions[1], [20], 1.0), SIDE).with_background("none")))
    grounds = [lay_over(free, level) for level in (255, 128, 0)]
    save_image(ROOT / "assets/whole.jpg", np.concatenate([photo.picture, moved, np.concatenate(grounds, axis=1)]))


if __name__ == "__main__":
    main()
