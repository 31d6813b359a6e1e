"""The small avatar of :mod:`tests.sgp.plane`, its lips and its mouth."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import MouthSheet
from tests.sgp.plane import lips, plane_avatar, sheet


@pytest.fixture
def small_avatar() -> Avatar:
    """See :func:`tests.sgp.plane.plane_avatar`."""
    return plane_avatar()


@pytest.fixture(scope="session")
def make_lips() -> Callable[[float], torch.Tensor]:
    """See :func:`tests.sgp.plane.lips`."""
    return lips


@pytest.fixture
def mouth_sheet() -> MouthSheet:
    """See :func:`tests.sgp.plane.sheet`."""
    return sheet()
