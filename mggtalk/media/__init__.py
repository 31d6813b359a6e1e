"""Images, videos and sound: reading within limits, writing, and the marks that say a file is AI-made."""

from mggtalk.media.files import check_readable, check_writable
from mggtalk.media.image import load_image, save_image
from mggtalk.media.marks import mark_frame
from mggtalk.media.provenance import MARK, mark_png, read_mark
from mggtalk.media.sound import Sound, check_speech, load_sound
from mggtalk.media.verify import Verification, verify
from mggtalk.media.video import VideoReader, has_sound, open_video
from mggtalk.media.writer import VideoWriter

__all__ = [
    "MARK",
    "Sound",
    "Verification",
    "VideoReader",
    "VideoWriter",
    "check_readable",
    "check_speech",
    "check_writable",
    "has_sound",
    "load_image",
    "load_sound",
    "mark_frame",
    "mark_png",
    "open_video",
    "read_mark",
    "save_image",
    "verify",
]
