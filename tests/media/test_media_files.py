from __future__ import annotations

import os

import pytest

from mggtalk.errors import MediaError
from mggtalk.media import check_readable, check_writable, load_image, load_sound, open_video
from mggtalk.media.files import tell_excess
from mggtalk.runtime.files import temporary_beside


def test_writable_path_is_left_as_it_is(tmp_path):
    target = tmp_path / "a.npz"
    target.write_text("kept")
    assert check_writable(str(target), (".npz",)) == target
    assert target.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [target]
    assert check_writable(tmp_path / "B.NPZ", (".npz",)).name == "B.NPZ"


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("")
    cases = {
        tmp_path / "missing" / "a.mp4": "no folder",
        tmp_path / "folder.mp4": "is a folder",
        tmp_path / "a.avi": "ends in '.avi'",
        tmp_path / "a": "no ending",
        tmp_path / "file" / "a.mp4": "no folder",
        tmp_path / ("x" * 300 + ".mp4"): "cannot be written",
        str(tmp_path / "a\0.mp4"): "null character",
    }
    for path, words in cases.items():
        with pytest.raises(MediaError, match=words):
            check_writable(path, (".mp4",))
    with pytest.raises(MediaError, match="NoneType"):
        check_writable(None, (".mp4",))


def test_what_is_over_a_limit_never_reads_like_the_limit():
    assert tell_excess(7072 * 7072 / 1e6) == tell_excess(50.1) == "50.1"
    assert tell_excess(600.0001) == "600.1"


def test_a_folder_that_takes_no_files(tmp_path):
    if os.path.isdir("/proc/self"):
        with pytest.raises(MediaError, match="cannot be written"):
            check_writable("/proc/a.mp4", (".mp4",))
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(MediaError, match="cannot be written"):
            check_writable(tmp_path / "a.mp4", (".mp4",))
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("reader", [load_image, open_video, load_sound])
def test_paths_that_cannot_be_read(tmp_path, reader):
    (tmp_path / "empty.mp4").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.mp4")
    cases = {
        tmp_path / "missing.mp4": "There is no file",
        tmp_path: "is a folder",
        tmp_path / "empty.mp4": "empty",
        tmp_path / "pipe.mp4": "not an ordinary file",
        tmp_path / ("x" * 300): "cannot be read",
        "a\0b": "cannot be read",
    }
    for path, words in cases.items():
        with pytest.raises(MediaError, match=words) as caught:
            reader(path)
        assert "\n" not in str(caught.value)


def test_readable_returns_the_path(tmp_path):
    (tmp_path / "a").write_text("x")
    assert check_readable(str(tmp_path / "a"), "file") == tmp_path / "a"


def test_temporary_names_are_new_and_beside(tmp_path):
    names = {temporary_beside(tmp_path / "a.mp4", ".mp4") for _ in range(3)}
    assert len(names) == 3 and all(name.parent == tmp_path and name.suffix == ".mp4" for name in names)
