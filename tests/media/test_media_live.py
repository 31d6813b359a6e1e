import numpy as np
import pytest
import soundfile

from mggtalk.media import has_sound, open_video
from mggtalk.media.live import LiveVideo


def frames(count):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return [np.roll(picture, step, axis=1) for step in range(count)]


def test_pieces_come_while_frames_are_written_and_join_to_the_whole(tmp_path):
    soundfile.write(tmp_path / "tone.wav", 0.1 * np.sin(np.arange(48000) / 5), 16000)
    pieces = []
    with LiveVideo(tmp_path, 64, 64, 10, tmp_path / "tone.wav") as live:
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
    with pytest.raises(RuntimeError), LiveVideo(tmp_path, 64, 64, 10) as live:
        live.write(frames(1)[0])
        raise RuntimeError
    assert not live._pipe.running
