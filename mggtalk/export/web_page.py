"""A head as one HTML file that plays from the disk, offline: player, head and sound in it."""

from __future__ import annotations

import base64
import html
import json
import re
from importlib import resources
from pathlib import Path

from mggtalk.export.head_file import HeadFile
from mggtalk.media.files import PathLike, check_writable
from mggtalk.runtime.files import whole_file

WORKER = ("geometry.js", "head_file.js", "blend.js", "project.js", "follow.js", "worker.js")
"""Modules of the worker, each after those that it imports."""

PAGE = ("geometry.js", "head_file.js", "project.js", "performer.js", "renderer.js", "player.js")
"""Modules of the page, likewise."""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; style-src 'unsafe-inline'; "
    "img-src blob: data:; media-src blob:"
)
"""Content policy of the page: it loads nothing but what is in it."""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?(const|let|class|function))", re.MULTILINE)


def player_source(name: str) -> str:
    """The text of one of the player's files."""
    return (resources.files("mggtalk.export") / "player" / name).read_text(encoding="utf-8")


def bundle(names: tuple[str, ...]) -> str:
    """Modules as one script: one scope, without imports and exports."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", player_source(name))) for name in names)


def make_page(head: HeadFile, title: str = "A talking head") -> str:
    """The text of the HTML file."""
    header = json.dumps(head.header, ensure_ascii=False).replace("<", "\\u003c")
    worker = bundle(WORKER).replace("</", "<\\/")
    page = bundle(PAGE).replace("</", "<\\/")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{html.escape(head.header["made"])}">
<meta name="consent" content="{html.escape(head.header["consent"])}">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{html.escape(title)}</title>
<style>
{player_source("player.css")}</style>
</head>
<body>
<main class="player" id="player">
<div class="stage" data-part="stage">
<canvas data-part="canvas" tabindex="0" aria-label="AI-made talking head; drag or use arrow keys to turn it"></canvas>
<span class="badge">AI-made</span>
<p class="message" data-part="message" role="alert" hidden></p>
</div>
<div class="bar" data-part="bar" hidden>
<button type="button" data-part="play">Play</button>
<input type="range" min="0" max="1" step="0.001" value="0" data-part="time" aria-label="Time">
</div>
<div class="sliders" data-part="sliders"></div>
<div class="consent" data-part="consent"></div>
</main>
<noscript>This head needs JavaScript.</noscript>
<script type="application/json" id="head-header">{header}</script>
<script type="text/plain" id="head-block">{base64.b64encode(head.block).decode()}</script>
<script type="text/plain" id="worker">{worker}</script>
<script>
(() => {{
{page}
start(document.getElementById("player"));
}})();
</script>
</body>
</html>
"""


def write_page(head: HeadFile, path: PathLike, title: str = "A talking head") -> Path:
    """Write the HTML file; it appears when it is complete.

    Raises:
        MediaError: If it cannot be written there.
    """
    target = check_writable(path, (".html",))
    with whole_file(target) as partial:
        partial.write_text(make_page(head, title), encoding="utf-8")
    return target
