"""Compiles the CPU kernels that most tests need: a portrait is prepared, drawn, and differentiated once.

Started beside the workers of a test run, so that a fresh clone compiles each kernel once, not once in every worker.
"""

from __future__ import annotations

import torch
from skimage import data

from mggtalk.face.warm import warm_up_tracking
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import warm_up

if __name__ == "__main__":
    torch.set_num_threads(1)
    pipeline = MGGTalkPipeline.from_pretrained()
    warm_up()
    warm_up_tracking(pipeline.face_model)
    avatar = pipeline.prepare(data.astronaut(), crop="none")
    pipeline.animator(avatar, 128).frame(avatar.source)
    warm_up(gradients=True)
