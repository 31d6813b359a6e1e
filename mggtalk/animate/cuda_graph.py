"""The work of a GPU on a batch of frames, recorded once and replayed: one launch instead of hundreds of small ones.

Written from the documentation of CUDA graphs; it has never run on a GPU, so it is off unless the configuration asks
for it (``RenderConfig.cuda_graph``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from mggtalk.scene import Gaussians, MotionFrame

logger = logging.getLogger(__name__)

Predict = Callable[[MotionFrame], Gaussians]
"""Gaussians of a batch of frames."""

REHEARSALS = 3
"""Runs before the recording, in which libraries choose their kernels and everything kept between frames is made."""


def replay_graph(predict: Predict, example: MotionFrame) -> Predict:
    """The same function as a CUDA graph.

    What it returns is overwritten by its next call, on the same stream: use it before, in what is launched there.

    Args:
        predict: Reads nothing back from the GPU and sends it nothing.
        example: A batch on the GPU; later ones have its shapes.

    Returns:
        The replayed function, or ``predict`` itself where nothing can be recorded; a warning says so.
    """
    try:
        return _Replay(predict, example)
    except (RuntimeError, AssertionError) as error:  # torch asserts that there is CUDA
        reason = next(iter(str(error).splitlines()), "")
        logger.warning("The frames are launched kernel by kernel: no CUDA graph (%s).", reason)
        return predict


class _Replay:
    """One recording, its inputs and its outputs, all at fixed places."""

    def __init__(self, predict: Predict, example: MotionFrame) -> None:
        self._inputs = MotionFrame(*(part.clone() for part in example))
        own = torch.cuda.Stream()
        own.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(own):
            for _ in range(REHEARSALS):
                predict(self._inputs)
        torch.cuda.current_stream().wait_stream(own)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):  # other threads may draw meanwhile
            self._outputs = predict(self._inputs)

    def __call__(self, frames: MotionFrame) -> Gaussians:
        for held, part in zip(self._inputs, frames):
            held.copy_(part)
        self._graph.replay()
        return self._outputs
