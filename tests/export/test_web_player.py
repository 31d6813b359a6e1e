"""Exported heads in headless Chromium, beside the frames that the package makes."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.avatar.avatar import Avatar
from mggtalk.export.head_file import MOST_MEGABYTES, HeadFile, write_head
from mggtalk.export.web_page import PAGE, WORKER, bundle, make_page, write_page
from mggtalk.inpaint.shrink import shrink
from mggtalk.media.verify import verify
from mggtalk.motion.edit import Edit, edit_frame
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Motion, MotionFrame
from tests.conftest import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NODE = shutil.which("node")
LEAST_DECIBELS = 33.0
"""With the few samples of these tests; an export with its own number of samples reaches more."""


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_modules_of_the_player() -> None:
    assert NODE is not None
    tests = str(ROOT / "tests" / "export" / "player.test.mjs")
    run = subprocess.run([NODE, "--test", tests], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert run.returncode == 0, run.stdout[-3000:]


def test_bundles_define_every_name_once() -> None:
    for names in (WORKER, PAGE):
        script = bundle(names)
        assert not re.search(r"^(import|export) ", script, re.MULTILINE)
        found = re.findall(r"^(?:async )?(?:const|let|class|function) (\w+)", script, re.MULTILINE)
        assert len(found) == len(set(found)), "modules share one scope"


def test_a_page_is_small_marked_and_loads_nothing(head: HeadFile, tmp_path: Path) -> None:
    path = write_page(head, tmp_path / "head.html")
    text = path.read_text(encoding="utf-8")
    assert len(head.block) < MOST_MEGABYTES * 1e6
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|import\(""", text)
    found = verify(path)
    assert found.mark is not None and "AI-made" in found.mark and "She agreed." in found.mark


def test_header_and_data_for_developers_are_marked(head: HeadFile, tmp_path: Path) -> None:
    header, block = write_head(head, tmp_path / "head.json")
    assert json.loads(header.read_text())["block"] == block.name and block.read_bytes() == head.block
    assert "She agreed." in (verify(header).mark or "")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"]
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=[*options, "--mute-audio"])
        yield browser
        browser.close()


def opened(chromium: Any, path: Path) -> Any:
    """A page from the disk, when it has started or refused."""
    page = chromium.new_page(viewport={"width": 640, "height": 760})
    page.goto(path.as_uri())
    page.wait_for_selector("#player[data-ready], [data-part=message]:not([hidden])", timeout=90_000)
    return page


def until(condition: Callable[[], bool]) -> None:
    """Wait for something in a page whose policy lets no other script ask."""
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


SHOW = """async ([change, rotation, translation]) => {
    await mggtalk.show({ change: Float32Array.from(change), rotation: Float32Array.from(rotation),
                         translation: Float32Array.from(translation) });
    return mggtalk.canvas.toDataURL("image/png");
}"""


def drawn(page: Any, avatar: Avatar, frame: MotionFrame) -> np.ndarray:
    """What the player shows of a frame, ``[512, 512, 3]``."""
    change = (frame.expression - avatar.expression).tolist()
    url = page.evaluate(SHOW, [change, frame.rotation.flatten().tolist(), frame.translation.tolist()])
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_player_shows_what_animate_makes(
    chromium: Any, pipeline: MGGTalkPipeline, avatar: Avatar, head: HeadFile, nodding: Motion, tmp_path: Path
) -> None:
    page = opened(chromium, write_page(head, tmp_path / "head.html"))
    assert page.inner_text("[data-part=message]") == ""
    assert "She agreed." in page.inner_text("[data-part=consent]")
    page.evaluate("mggtalk.held = true; mggtalk.fixed = 512; mggtalk.fit()")
    until(lambda: not page.evaluate("mggtalk.busy"))
    animator = pipeline.animator(avatar, 256)
    blink = edit_frame(avatar, Edit(blink=1.0), pipeline.face_model)
    for frame in (avatar.source, nodding[7], nodding[15], blink):
        whole = torch.from_numpy(drawn(page, avatar, frame).copy()).permute(2, 0, 1).float()  # [3, 512, 512]
        ours = shrink(whole, 2).permute(1, 2, 0).numpy()
        with torch.inference_mode():
            splats = animator.fast_splats(frame.expression)
            alpha = rasterize(splats, animator._camera(frame), block=2).alpha.numpy()
        error = np.square(ours - animator.frame(frame))[alpha > 0.5].mean()
        assert 10 * np.log10(255**2 / error) > LEAST_DECIBELS
    page.evaluate("mggtalk.held = false; mggtalk.play()")
    until(lambda: page.evaluate("mggtalk.now()") > 0.2)
    page.locator("canvas").press("ArrowRight")
    assert page.evaluate("mggtalk.performer.orbit.yaw") == 5
    page.close()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"version": 2', '"version": 7', "version 7"),
        ('"count": ', '"count": 9', "cannot be shown"),
        ('"length": ', '"length": 99999999', "length is"),
    ],
)
def test_hostile_heads_are_refused_in_one_line(
    chromium: Any, head: HeadFile, tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = make_page(head)
    assert old in text
    (tmp_path / "head.html").write_text(text.replace(old, new, 1), encoding="utf-8")
    page = opened(chromium, tmp_path / "head.html")
    said = page.inner_text("[data-part=message]")
    assert words in said and "\n" not in said
    page.close()


def test_without_webgl_the_page_says_so(chromium: Any, head: HeadFile, tmp_path: Path) -> None:
    text = make_page(head).replace('getContext("webgl2"', 'getContext("none"')
    (tmp_path / "head.html").write_text(text, encoding="utf-8")
    page = opened(chromium, tmp_path / "head.html")
    assert "no WebGL 2" in page.inner_text("[data-part=message]")
    page.close()
