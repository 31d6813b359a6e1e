from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mggtalk.errors import MediaError
from mggtalk.media import MARK, mark_png, read_mark, save_image
from mggtalk.media.provenance import MARK_PREFIX, SOURCE_TYPE, mark_video


def test_stills_carry_the_mark(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp"):
        save_image(tmp_path / name, np.zeros((64, 64, 3), np.uint8))
        assert read_mark(tmp_path / name) == MARK
    assert MARK.startswith(MARK_PREFIX)


def test_png_names_its_digital_source_type(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=mark_png())
    with Image.open(tmp_path / "a.png") as image:
        assert SOURCE_TYPE in image.info["XML:com.adobe.xmp"]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_videos_carry_the_mark(clip, make, name):
    plain = clip("plain.mp4", seconds=0.2)
    assert read_mark(plain) is None
    assert read_mark(make(name, "-i", str(plain), "-c", "copy", *mark_video())) == MARK


def test_other_comments_are_no_mark(tmp_path, clip):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    assert read_mark(tmp_path / "plain.png") is None
    assert read_mark(clip("a.mp4", "-metadata", "comment=holiday", seconds=0.2)) is None
    (tmp_path / "text.txt").write_text("AI-made with MGGTalk")
    with pytest.raises(MediaError, match="no picture, video or recording"):
        read_mark(tmp_path / "text.txt")
