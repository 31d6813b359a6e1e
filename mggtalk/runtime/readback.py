"""Reading pictures back from a GPU without making it wait for the next one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

AHEAD = 2
"""Pictures that are drawn while an earlier one is read."""


class _Copy(NamedTuple):
    """A picture on its way to the host."""

    host: Tensor
    arrived: torch.cuda.Event | None  # None: it was there already

    @staticmethod
    def of(picture: Tensor) -> _Copy:
        if picture.device.type != "cuda":
            return _Copy(picture.cpu(), None)
        host = torch.empty(picture.shape, dtype=picture.dtype, pin_memory=True)
        host.copy_(picture, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        return _Copy(host, arrived)

    def get(self) -> np.ndarray:
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.host.numpy()


def read_back(pictures: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Pictures as arrays, in order.

    Args:
        pictures: Made one after the other; a GPU works on the later ones while an earlier one is copied.

    Yields:
        What is in each of them.
    """
    under_way: deque[_Copy] = deque()
    for picture in pictures:
        under_way.append(_Copy.of(picture))
        if len(under_way) > AHEAD:
            yield under_way.popleft().get()
    while under_way:
        yield under_way.popleft().get()
