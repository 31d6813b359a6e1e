import numpy as np
import pytest
import soundfile

from mggtalk.media import has_sound, open_video
from mggtalk.media.ffmpeg import input_arguments, run
from mggtalk.media.live import LivePreview, LiveVideo

SOUNDS = {
    "a.wav": ("pcm_s16le",),
    "a.mp3": ("libmp3lame",),
    "a.opus": ("libopus",),
    "a.ogg": ("libvorbis", "-ac", "2"),
    "a.flac": ("flac",),
    "a.m4a": ("aac",),
    "a.webm": ("libopus",),
    "a.mkv": ("mp2",),
    "a.amr": ("libopencore_amrnb", "-ar", "8000", "-b:a", "12.2k"),
}
"""What phones, browsers and sound editors write."""


def frames(count):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return [np.roll(picture, step, axis=1) for step in range(count)]


def test_pieces_come_while_frames_are_written_and_join_to_the_whole(tmp_path):
    soundfile.write(tmp_path / "tone.wav", 0.1 * np.sin(np.arange(48000) / 5), 16000)
    pieces = []
    with LiveVideo(tmp_path, 64, 64, 10, 25, tmp_path / "tone.wav") as live:
        for frame in frames(25):
            live.write(frame)
            pieces += live.new_pieces()
        live.finish()
        pieces += live.new_pieces()
        assert list(live.new_pieces()) == []
    assert sum(piece.seconds for piece in pieces) == pytest.approx(2.5, abs=0.05)
    assert len(pieces) == 3
    whole = tmp_path / "whole.ts"
    whole.write_bytes(b"".join(piece.path.read_bytes() for piece in pieces))
    with open_video(whole) as reader:
        assert len(list(reader)) == pytest.approx(25, abs=1)
    assert has_sound(pieces[0].path), "players fix their tracks on the first piece"


def test_an_abandoned_live_video_leaves_no_process(tmp_path):
    with pytest.raises(RuntimeError), LiveVideo(tmp_path, 64, 64, 10, 1) as live:
        live.write(frames(1)[0])
        raise RuntimeError
    assert not live._pipe.running


@pytest.mark.parametrize("name", SOUNDS)
def test_every_kind_of_sound_is_as_long_as_the_frames(make, tmp_path, name):
    """Silence without an end would run ahead of pictures that are rendered slowly until ffmpeg's queues are full."""
    source = ("-f", "lavfi", "-i", "sine=300:r=48000:d=1.2", "-ac", "1", "-c:a")
    sound = make(name, *source, *SOUNDS[name])
    with LiveVideo(tmp_path, 64, 64, 10, 30, sound) as live:
        given = live._pipe._process.args
        chain = ("-map", "0:a:0", "-af", given[given.index("-af") + 1], "-t", "60")  # an endless one gives 60 s
        _, samples, _ = run([*input_arguments(sound), *chain, "-f", "u8", "-ar", "48000", "-ac", "1", "pipe:1"])
        for picture in frames(30):
            live.write(picture)
        live.finish()
        pieces = list(live.new_pieces())
    assert len(samples) / 48000 == pytest.approx(3.0, abs=0.01)
    assert sum(piece.seconds for piece in pieces) == pytest.approx(3.0, abs=0.05)
    assert all(has_sound(piece.path) for piece in pieces), "silence goes on to the last picture"


def test_sound_goes_on_no_longer_than_frames_that_end_early(make, tmp_path):
    sound = make("a.mp3", "-f", "lavfi", "-i", "sine=300:r=48000:d=9")
    with LiveVideo(tmp_path, 64, 64, 10, 80, sound) as live:
        for picture in frames(25):
            live.write(picture)
        live.finish()
        assert sum(piece.seconds for piece in live.new_pieces()) == pytest.approx(2.5, abs=0.05)


def test_a_preview_that_fails_ends_in_silence(tmp_path, caplog):
    """Before its first frame (no sound in the file), between two (ffmpeg dies) and on its last."""
    (tmp_path / "text.wav").write_text("this is no recording")
    with LivePreview(tmp_path, 64, 64, 10, 9, tmp_path / "text.wav") as preview:
        for picture in frames(9):
            preview.write(picture)
        preview.finish()
        assert preview.take() == []
    assert "the live preview ended" in caplog.text
    caplog.clear()
    with LivePreview(tmp_path, 64, 64, 10, 90) as preview:
        assert preview._live is not None
        preview._live._pipe._process.kill()
        for picture in frames(90):
            preview.write(picture)
        preview.finish()
        assert preview.take() == [] and preview._live is None
    assert "the live preview ended" in caplog.text


def test_a_preview_gives_its_pieces_away(tmp_path):
    with LivePreview(tmp_path, 64, 64, 10, 25) as preview:
        for picture in frames(25):
            preview.write(picture)
        preview.finish()
        taken = preview.take()
    assert sum(seconds for _, seconds in taken) == pytest.approx(2.5, abs=0.05)
    assert all(data[:1] == b"\x47" for data, _ in taken) and not list(tmp_path.glob("*.ts"))
