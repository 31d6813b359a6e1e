"""Pictures on their way from a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.runtime.readback import AHEAD, read_back

DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA GPU")])]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_pictures_come_whole_and_in_order(device: str) -> None:
    made = [torch.full((2, 2, 3), number, dtype=torch.uint8, device=device) for number in range(7)]
    read = list(read_back(made))
    assert all(isinstance(picture, np.ndarray) for picture in read)
    assert [int(picture[0, 0, 0]) for picture in read] == list(range(7))


def test_a_few_are_made_ahead_and_no_more() -> None:
    made = []

    def pictures():
        for number in range(9):
            made.append(number)
            yield torch.zeros(1)

    stream = read_back(pictures())
    next(stream)
    assert len(made) == AHEAD + 1
    assert len(list(stream)) == 8
