"""How Gradio treats the page's events: none waits in its queue, as the studio has lines of its own."""

from __future__ import annotations

from typing import Any

HEAVY = "pipeline"
"""Events that make videos; they wait in the studio's line for videos."""

QUICK = "stills"
"""Quick events; the studio has a line for them as well."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""What is no endpoint, and shows no progress of Gradio's."""

STILL: dict[str, Any] = {"api_visibility": "private", "concurrency_id": QUICK, "concurrency_limit": None}
"""A quick event that is no endpoint."""

AT_ONCE: dict[str, Any] = {**PRIVATE, "queue": False}
"""What takes no time."""
