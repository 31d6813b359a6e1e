"""MGGTalk: one portrait talks, in 3D, with Gaussian splats.

The public names are imported when they are first used, so that ``import mggtalk`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mggtalk.avatar.avatar import Avatar
    from mggtalk.pipeline import MGGTalkPipeline
    from mggtalk.scene import Camera, Gaussians, Motion

__version__ = "0.1.0"

__all__ = ["Avatar", "Camera", "Gaussians", "MGGTalkPipeline", "Motion"]

_MODULES = {
    "Avatar": "mggtalk.avatar.avatar",
    "Camera": "mggtalk.scene",
    "Gaussians": "mggtalk.scene",
    "MGGTalkPipeline": "mggtalk.pipeline",
    "Motion": "mggtalk.scene",
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
