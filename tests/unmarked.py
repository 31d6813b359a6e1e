"""For tests that write what a camera would have filmed: pictures without the marks of this package."""

from __future__ import annotations

from typing import Any

from mggtalk.media.badge import STATEMENT

UNMARKED: dict[str, Any] = {"no_badge": STATEMENT, "watermark": False}
"""Options of ``VideoWriter`` and ``save_image`` that leave the pictures as they are."""
