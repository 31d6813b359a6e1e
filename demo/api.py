"""Named endpoints for ``gradio_client`` and MCP: the same work as on the page, one call, documented parameters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from demo.answers import BROKEN
from demo.dub import make_dub
from demo.events import HEAVY, STILL
from demo.film import CONSENT, Film, Order
from demo.limits import as_number, as_truth
from demo.living import make_living
from demo.orders import (
    BACKGROUNDS,
    HEAD_STYLES,
    LANGUAGES,
    PATHS,
    VIEWS,
    check_size,
    face_index,
    free_view_order,
    reenact_order,
    talk_order,
)
from demo.portrait import named
from demo.report import public
from demo.studio import Studio
from demo.uploads import UploadedAudio, UploadedImage, UploadedVideo
from mggtalk.config import REGIONS
from mggtalk.errors import MGGTalkError, OptionError
from mggtalk.motion.edit import Edit

FLIGHT, SWING = next(iter(VIEWS)), next(iter(PATHS))
"""The first choices."""

logger = logging.getLogger(__name__)

Report = dict[str, Any]
"""Figures about a video, as JSON."""


@contextmanager
def _told() -> Iterator[None]:
    """Errors as the client shows them: those that a user can cause in their words, others with a line in the log."""
    try:
        yield
    except MGGTalkError as error:
        raise gr.Error(public(error), print_exception=False) from error
    except Exception as error:
        logger.exception("a call of the API failed")
        raise gr.Error(BROKEN, print_exception=False) from error


class Endpoints:
    """The functions behind the endpoints; their docstrings are the endpoints' documentation.

    Args:
        studio: Does the work.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def check(self, request: gr.Request, portrait: str | None = None) -> Report:
        """Look at a portrait before any work: which faces it shows, and whether one is good enough.

        Args:
            request: Filled in by the server.
            portrait: A picture (JPEG, PNG, WebP, HEIC, AVIF; 10 MB, 26 megapixels at most).

        Returns:
            Boxes of the faces from left to right (x0, y0, x1, y1 in pixels), whether the portrait can be used as it is,
            and the findings.
        """
        with _told():
            found, _ = self._studio.check(portrait, request)
        findings = [finding._asdict() for finding in found.findings]
        return {"faces": [list(map(float, box)) for box in found.boxes], "usable": found.usable, "findings": findings}

    def reenact(
        self,
        request: gr.Request,
        portrait: str | None = None,
        driving: str | None = None,
        motion: str | None = None,
        consent: bool = False,
        pose: str = "relative",
        pose_strength: float = 1.0,
        expression_strength: float = 1.0,
        smoothing: float = 0.0,
        face: float | None = 0,
        driver_face: float | None = 0,
        size: int = 512,
        regions: list[str] | None = None,
        camera: bool = False,
        background: str = "",
        whole: bool = False,
    ) -> tuple[str, list[str], Report]:
        """Make a video of a portrait that moves like the person in a driving video or picture, or by a motion file.

        Args:
            request: Filled in by the server.
            portrait: A picture of one person (10 MB, 26 megapixels at most).
            driving: A video of one face (100 MB, 60 s, 1920 pixels at most), or a picture whose expression is eased
                into, or nothing.
            motion: A motion file (.npz, .safetensors) or an ARKit table (.csv), or nothing. Give one of the two.
            consent: True if the people whose picture and movements are used agreed to this video.
            pose: "relative" adds the driver's head motion to the portrait's pose, "absolute" copies it.
            pose_strength: 0 keeps the head still, 1 is the driver's own, at most 2.
            expression_strength: 1 is the driver's own, at most 2.
            smoothing: Seconds over which the motion is averaged; 0 for none.
            face: Which face of the portrait, 1 is the leftmost; 0 if there is only one.
            driver_face: Which face of the video, 1 is the leftmost; 0 for the largest.
            size: Side of the video in pixels, 256, 512 or 1024.
            regions: What follows the driver: "lips", "eyes", "face" (both), "pose" (the head) or "all"; several may be
                given. The rest stays as in the portrait.
            camera: True lets the eyes look into the camera, wherever the head turns.
            background: "" for the portrait's own, "transparent" (the video is then a WebM with alpha), or "#rrggbb".
            whole: True lets the head move in the whole picture (1280 pixels at most), of which all else stays.

        Returns:
            The video (H.264 with sound), motion and splat files, and a quality report.
        """
        values = [*_common(portrait, face, consent, size, background), driving, motion, pose]
        strengths = [pose_strength, expression_strength, smoothing]
        return self._made(request, reenact_order, [*values, *strengths, driver_face, regions, camera, None, whole])

    def talk(
        self,
        request: gr.Request,
        portrait: str | None = None,
        speech: str | None = None,
        consent: bool = False,
        language: str = "auto",
        mouth: float = 1.0,
        head: str = "natural",
        blinks: float = 16.0,
        donor: str | None = None,
        seed: float = 0,
        face: float | None = 0,
        size: int = 512,
        background: str = "",
        whole: bool = False,
        listener: bool = False,
    ) -> tuple[str, list[str], Report]:
        """Make a video of a portrait that speaks a recording.

        Args:
            request: Filled in by the server.
            portrait: A picture of one person (10 MB, 26 megapixels at most).
            speech: A recording (WAV, FLAC, MP3, ...; 120 s at most), or a video with sound.
            consent: True if the people whose picture and voice are used agreed to this video.
            language: "auto", "English" or "other".
            mouth: Strength of the lips, 1 is natural.
            head: "still", "calm", "natural" or "lively".
            blinks: Blinks per minute.
            donor: A motion file whose head motion is used, or nothing.
            seed: Another number gives another head motion.
            face: Which face of the portrait, 1 is the leftmost; 0 if there is only one.
            size: Side of the video in pixels, 256, 512 or 1024.
            background: "" for the portrait's own, "transparent" (the video is then a WebM with alpha), or "#rrggbb".
            whole: True lets the head move in the whole picture (1280 pixels at most), of which all else stays.
            listener: True lets the head listen to the recording, with nods and smiles, instead of speaking it.

        Returns:
            The video (H.264 with sound), motion and splat files, and a quality report.
        """
        values = _common(portrait, face, consent, size, background)
        values += [speech, language, mouth, head, 1.0, blinks, donor, seed, whole, listener]
        return self._made(request, talk_order, values)

    def free_view(
        self,
        request: gr.Request,
        portrait: str | None = None,
        driving: str | None = None,
        speech: str | None = None,
        motion: str | None = None,
        consent: bool = False,
        view: str = FLIGHT,
        path: str = SWING,
        low: float = -30.0,
        high: float = 30.0,
        fov: float = 22.0,
        face: float | None = 0,
        size: int = 512,
        background: str = "",
    ) -> tuple[str, list[str], Report]:
        """Make a video of a portrait, still or driven, seen from a moving viewpoint; and its splats.

        Args:
            request: Filled in by the server.
            portrait: A picture of one person (10 MB, 26 megapixels at most).
            driving: A video that moves it, or nothing.
            speech: A recording that moves it, or nothing.
            motion: A motion file that moves it, or nothing. Give at most one of the three.
            consent: True if the people whose picture, voice or movements are used agreed to this video.
            view: "camera flight" or "side by side, −30° / 0° / 30°".
            path: "swing" or "circle".
            low: Least yaw in degrees, -60 to 0.
            high: Greatest yaw in degrees, 0 to 60.
            fov: Field of view in degrees, 10 to 60.
            face: Which face of the portrait, 1 is the leftmost; 0 if there is only one.
            size: Side of the video in pixels, 256, 512 or 1024.
            background: "" for the portrait's own, "transparent" (the video is then a WebM with alpha), or "#rrggbb".

        Returns:
            The video, motion and splat files, and a quality report.
        """
        values = _common(portrait, face, consent, size, background)
        values += [view, path, low, high, fov, driving, speech, motion]
        return self._made(request, free_view_order, values)

    def edit(
        self,
        request: gr.Request,
        portrait: str | None = None,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        gaze_x: float = 0.0,
        gaze_y: float = 0.0,
        smile: float = 0.0,
        jaw: float = 0.0,
        brows: float = 0.0,
        blink: float = 0.0,
        face: float | None = 0,
        size: int = 512,
    ) -> str:
        """Make one still of a portrait with another pose and expression.

        Args:
            request: Filled in by the server.
            portrait: A picture of one person (10 MB, 26 megapixels at most).
            yaw: Degrees to the viewer's right, -60 to 60.
            pitch: Degrees down, -30 to 30.
            roll: Degrees of tilt, -30 to 30.
            gaze_x: Eyes to the viewer's right, degrees, -30 to 30.
            gaze_y: Eyes up, degrees, -20 to 20.
            smile: -1 (mouth corners down) to 1.
            jaw: 0 to 1, open.
            brows: -1 (lowered) to 1 (raised).
            blink: 0 to 1, shut.
            face: Which face of the portrait, 1 is the leftmost; 0 if there is only one.
            size: Side of the picture in pixels, 256, 512 or 1024.

        Returns:
            The still.
        """
        values = (yaw, pitch, roll, gaze_x, gaze_y, smile, jaw, brows, blink)
        with _told():
            change = Edit(*(as_number(name, value, -180, 180) for name, value in zip(Edit._fields, values)))
            chosen = face_index("face", face)
            check_size(size)
            return self._studio.still(named(portrait, chosen, "mesh"), change, int(size), request)

    def head(
        self,
        request: gr.Request,
        portrait: str | None = None,
        speech: str | None = None,
        motion: str | None = None,
        consent: bool = False,
        face: float | None = 0,
    ) -> str:
        """Make a living head: one HTML file that plays, and can be turned, in any browser, offline.

        Args:
            request: Filled in by the server.
            portrait: A picture of one person (10 MB, 26 megapixels at most).
            speech: A recording that it speaks (120 s at most), or nothing.
            motion: A motion file that it plays, or nothing. Give at most one of the two; without any it idles.
            consent: True if the people whose picture, voice or movements are used agreed to it.
            face: Which face of the portrait, 1 is the leftmost; 0 if there is only one.

        Returns:
            The HTML file, 5 MB or so.
        """
        with _told():
            chosen = face_index("face", face)
            if consent is not True:
                raise OptionError("The consent is not given.", "Set consent to true if the people shown agreed.")
            return make_living(self._studio, named(portrait, chosen, "mesh"), speech, motion, request)[0]

    def dub(
        self,
        request: gr.Request,
        driving: str | None = None,
        speech: str | None = None,
        consent: bool = False,
    ) -> str:
        """Let the person of a film say something else: other lips, all else of the film stays.

        Args:
            request: Filled in by the server.
            driving: A film of one person (100 MB, 60 s, 1920 pixels at most).
            speech: A recording (120 s at most): what is said instead.
            consent: True if the person in the film, and the speaker, agreed to it.

        Returns:
            The film with the new sound.
        """
        with _told():
            return make_dub(self._studio, driving, speech, as_truth("consent", consent), request)

    def _made(
        self, request: gr.Request, order: Callable[..., Order], values: list[Any]
    ) -> tuple[str, list[str], Report]:
        """Carry out an order to its end."""
        with _told():
            portrait, face, depth, consent, *others = values
            wanted = order(portrait, face_index("face", face), depth, as_truth("consent", consent), *others)
            film: Film | None = None
            for step in self._studio.make(wanted, request):
                film = step.film
            assert film is not None, "the last step has the film"
        quality = film.quality._asdict() | {"sync": None if film.quality.sync is None else film.quality.sync._asdict()}
        report = {"facts": film.facts, "notes": list(film.notes), "quality": quality}
        return film.result.video, list(film.result.others), report


def _common(portrait: str | None, face: object, consent: object, size: object, background: str) -> list[Any]:
    """Options that all orders begin with; the API has no way to leave the badge out."""
    return [portrait, face, "mesh", consent, True, "", size, background]


def add_api(studio: Studio) -> None:
    """Add the endpoints, and the components that describe their parameters, out of sight."""
    endpoints = Endpoints(studio)
    with gr.Column(visible=False):
        portrait = UploadedImage(label="portrait", type="filepath")
        driving, speech = UploadedVideo(label="driving"), UploadedAudio(label="speech", type="filepath")
        motion, donor = gr.File(label="motion", type="filepath"), gr.File(label="donor", type="filepath")
        consent = gr.Checkbox(value=False, label="consent", info=CONSENT)
        pose = gr.Radio(["relative", "absolute"], value="relative", label="pose")
        ones = [gr.Number(1.0, label=name) for name in ("pose_strength", "expression_strength")]
        smoothing = gr.Number(0, label="smoothing")
        regions = gr.Dropdown(list(REGIONS), value=["all"], multiselect=True, label="regions")
        camera = gr.Checkbox(value=False, label="camera")
        face, driver_face = (gr.Number(0, precision=0, label=name) for name in ("face", "driver_face"))
        language = gr.Radio(list(LANGUAGES), value="auto", label="language")
        mouth, blinks, seed = (
            gr.Number(1.0, label="mouth"),
            gr.Number(16, label="blinks"),
            gr.Number(0, precision=0, label="seed"),
        )
        head = gr.Radio(list(HEAD_STYLES), value="natural", label="head")
        view = gr.Radio(list(VIEWS), value=next(iter(VIEWS)), label="view")
        path = gr.Radio(list(PATHS), value=next(iter(PATHS)), label="path")
        low, high, fov = gr.Number(-30, label="low"), gr.Number(30, label="high"), gr.Number(22, label="fov")
        size = gr.Number(512, precision=0, minimum=256, maximum=1024, step=256, label="size")
        background, whole = (
            gr.Dropdown(["", *BACKGROUNDS], value="", allow_custom_value=True, label="background"),
            gr.Checkbox(value=False, label="whole"),
        )
        listener = gr.Checkbox(value=False, label="listener")
        numbers = [gr.Number(0.0, label=name) for name in Edit._fields]
        video, files, report = (
            gr.File(label="video"),
            gr.File(label="files", file_count="multiple"),
            gr.JSON(label="report"),
        )
        page = gr.File(label="page")
        still = gr.Image(label="still", type="filepath")
        button = gr.Button()
    heavy: dict[str, Any] = {"concurrency_id": HEAVY, "concurrency_limit": None}
    quick = {**STILL, "api_visibility": "public"}
    made = [video, files, report]
    button.click(endpoints.check, [portrait], [report], api_name="check", **quick)
    strengths = [pose, *ones, smoothing]
    inputs: list[Any] = [portrait, driving, motion, consent, *strengths, face, driver_face, size, regions, camera]
    inputs += [background, whole]
    button.click(endpoints.reenact, inputs, made, api_name="reenact", **heavy)
    inputs = [portrait, speech, consent, language, mouth, head, blinks, donor, seed, face, size]
    inputs += [background, whole, listener]
    button.click(endpoints.talk, inputs, made, api_name="talk", **heavy)
    inputs = [portrait, driving, speech, motion, consent, view, path, low, high, fov, face, size, background]
    button.click(endpoints.free_view, inputs, made, api_name="free_view", **heavy)
    button.click(endpoints.dub, [driving, speech, consent], [page], api_name="dub", **heavy)
    button.click(endpoints.head, [portrait, speech, motion, consent, face], [page], api_name="head", **heavy)
    button.click(endpoints.edit, [portrait, *numbers, face, size], [still], api_name="edit", **quick)
