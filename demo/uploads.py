"""Components that hand a file over as it was uploaded: reading and checking it is the pipeline's business.

They are classes of their own, not changed instances: Gradio builds a component anew when an update reaches it, and
forgets what was put on the old one.
"""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import FileData, FileDataDict, ImageData, MediaStreamChunk

from demo.film import Piece

WEBCAM = gr.WebcamOptions(
    mirror=False,
    constraints={"video": {"width": {"ideal": 1280, "max": 1280}, "height": {"ideal": 720, "max": 1280}}},
)
"""A webcam may be larger than what the page takes; it is asked for a size that fits."""


class UploadedImage(gr.Image):
    """A picture; the handler gets its path."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Path of the file."""
        return None if payload is None else payload.path


class UploadedVideo(gr.Video):
    """A video; the handler gets its path."""

    is_template = True

    def preprocess(self, payload: FileData | None) -> str | None:
        """Path of the file."""
        return None if payload is None else payload.path


class UploadedAudio(gr.Audio):
    """A recording; the handler gets its path."""

    is_template = True

    def preprocess(self, payload: FileData | None) -> str | None:
        """Path of the file."""
        return None if payload is None else payload.path


class LivePlayer(gr.Video):
    """Plays pieces as they are: ours are ready to be joined, and need no ffmpeg on the server's path."""

    is_template = True

    async def stream_output(  # type: ignore[override]
        self,
        value: Piece | None,
        output_id: str,
        first_chunk: bool,  # noqa: ARG002  # gradio gives it
    ) -> tuple[MediaStreamChunk | None, FileDataDict]:
        """Give a piece to the player."""
        stream: FileDataDict = {
            "path": output_id,
            "is_stream": True,
            "orig_name": "live.mp4",
            "meta": {"_type": "gradio.FileData"},
        }
        return (None if value is None else {"data": value.data, "duration": value.seconds, "extension": ".ts"}), stream


def film_of_one_person(elem_id: str) -> UploadedVideo:
    """The component for a film of one person, with its sound; uploaded or filmed here."""
    return UploadedVideo(
        label="Film of one person", sources=["upload", "webcam"], include_audio=True, height=262,
        webcam_options=WEBCAM, elem_id=elem_id,
    )  # fmt: skip
