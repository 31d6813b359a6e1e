import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from demo.examples import collect
from demo.viewer import ORBIT, save_for_viewer
from mggtalk.motion.motion_file import load_motion
from mggtalk.render import load_ply
from mggtalk.scene import Gaussians


def test_examples_are_complete_and_fit_the_embedded_face_model(pipeline):
    examples = collect()
    assert examples.portraits and all(Image.open(path).size == (512, 512) for path in examples.portraits)
    assert all(Path(path).stat().st_size < 100_000 for path in examples.portraits)
    assert len(examples.motions) >= 2 and len(examples.speech) >= 1
    for path in examples.motions:
        assert 3.0 <= load_motion(path, pipeline.face_model.version).seconds <= 6.0


def test_the_viewer_gets_the_whole_head_turned_to_its_fixed_camera(tmp_path):
    nose_and_crown = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, -1.0, -1.0], [0.0, 0.0, 0.0]])
    splats = Gaussians(
        nose_and_crown,
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(4, 1),
        torch.full((4, 3), 0.1),
        torch.ones(4),
        torch.zeros(4, 4, 3),
    )
    save_for_viewer(splats, tmp_path / "view.ply")
    means = load_ply(tmp_path / "view.ply", rotation=np.eye(3)).means
    nose, crown = means[0] - means[3], means[1] - means[3]
    up = math.sin(ORBIT)
    camera = torch.tensor([math.sin(ORBIT) * math.cos(ORBIT), -up, -(math.cos(ORBIT) ** 2)])  # y is down in the file
    torch.testing.assert_close(nose / nose.norm(), camera, atol=1e-5, rtol=0)
    assert crown[1] < 0 and float(means.amax() - means.amin()) < 2.5
