"""The named endpoints, through Gradio's client."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.utils import get_function_description
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demo.film import Portrait
from demo.limits import LIMITS
from demo.ui import serving
from mggtalk.depth.catalogue import NAMES, status
from mggtalk.media import has_sound, load_image, open_video, read_mark
from mggtalk.media.verify import verify
from mggtalk.motion.motion_file import load_motion
from mggtalk.pipeline import MGGTalkPipeline
from tests.demo.visits import visit
from tests.folders import files_below

HEAVY = ("reenact", "talk", "free_view")
UPLOADS = ("portrait", "driving", "speech", "motion", "donor")


@pytest.fixture(scope="module")
def client(page):
    return visit(page.local_url)


def call(client, endpoint, files, **arguments):
    """Call an endpoint; file arguments are names in the folder."""
    return client.predict(api_name=endpoint, **given(files, arguments))


def given(files, arguments):
    """Arguments with uploads in place of names."""
    return {
        name: handle_file(str(files / value)) if name in UPLOADS and value else value
        for name, value in arguments.items()
    }


def reenact(**changes):
    """Arguments of the shortest video."""
    return {
        "portrait": "portrait.png", "driving": None, "motion": "short.npz", "consent": True, "size": 256, **changes
    }  # fmt: skip


def test_endpoints_are_named_and_documented(page, client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/check", "/reenact", "/talk", "/free_view", "/head", "/edit", "/dub"}
    functions = {f"/{fn.api_name}": fn.fn for fn in page.fns.values()}
    for name, entry in endpoints.items():
        assert len(entry["description"]) > 40, name
        _, documented, _ = get_function_description(functions[name])  # what MCP tells
        assert {part["parameter_name"] for part in entry["parameters"]} <= set(documented), name


def test_check_tells_faces_and_findings(client, files):
    report = call(client, "/check", files, portrait="two.png")
    assert len(report["faces"]) == 2 and not report["usable"]
    report = call(client, "/check", files, portrait="portrait.png")
    assert report["usable"] and [entry["name"] for entry in report["findings"]][:3] == ["Face", "Size", "Turned"]


def test_reenact_gives_video_motion_splats_and_report(client, files):
    video, others, report = call(client, "/reenact", files, **reenact(driving="driving.mp4", motion=None))
    with open_video(video) as reader:
        assert (reader.width, reader.height, len(list(reader))) == (256, 256, 30)
    assert has_sound(video) and read_mark(video)
    motion = load_motion(next(path for path in others if path.endswith(".npz")))
    assert len(motion) == 30 and motion.landmarks is None, "no likeness of the driver"
    with open(next(path for path in others if path.endswith(".ply")), "rb") as file:
        assert file.read(4) == b"ply\n"
    assert "30 frames of 256×256" in report["facts"] and report["quality"]["lost"] == 0


def test_talk_measures_the_lips_against_the_sound(client, files):
    video, _, report = call(
        client, "/talk", files, portrait="portrait.png", speech="speech.wav", consent=True, language="other", size=256
    )
    assert has_sound(video)
    assert abs(report["quality"]["seconds"] - 1.25) < 0.1
    assert report["quality"]["sync"] is not None


def test_free_view_side_by_side_is_three_pictures_wide(client, files):
    video, _, _ = call(
        client, "/free_view", files, portrait="portrait.png", driving=None, speech=None, motion="short.npz",
        consent=True, view="side by side, −30° / 0° / 30°", size=256,
    )  # fmt: skip
    with open_video(video) as reader:
        assert (reader.width, reader.height, len(list(reader))) == (768, 256, 4)


def test_head_is_a_page_that_is_marked(client, files):
    path = Path(call(client, "/head", files, portrait="portrait.png", motion="short.npz", consent=True))
    assert path.suffix == ".html" and verify(path).found
    with pytest.raises(AppError, match="consent is not given"):
        call(client, "/head", files, portrait="portrait.png")


def test_edit_makes_a_marked_still(client, files):
    still = call(client, "/edit", files, portrait="portrait.png", yaw=20, smile=0.5, size=256)
    assert load_image(still).shape == (256, 256, 3)
    assert read_mark(still)


@pytest.mark.parametrize(
    ("endpoint", "changes", "words"),
    [
        ("/reenact", {"portrait": None}, "no portrait"),
        ("/reenact", {"motion": None}, "no driver"),
        ("/reenact", {"driving": "driving.mp4"}, "2 drivers"),
        ("/reenact", {"portrait": "no_face.png"}, "face"),
        ("/reenact", {"portrait": "text.png"}, "text.png"),
        ("/reenact", {"motion": None, "driving": "text.mp4"}, "text.mp4"),
        ("/reenact", {"consent": False}, "consent is not ticked"),
        ("/reenact", {"expression_strength": 9}, "strength of the expression is 9"),
        ("/talk", {"speech": "silent.wav"}, "silent"),
        ("/talk", {"speech": None}, "no recording"),
        ("/free_view", {"low": 0, "high": 0}, "yaw"),
        ("/edit", {"yaw": 180}, "Yaw is 180"),
        ("/edit", {"portrait": "two.png"}, "2 faces were found. Choose one by its number, counted from the left: 1"),
        ("/edit", {"portrait": "two.png", "face": 3}, "Face 3 was asked for"),
        ("/edit", {"portrait": "two.png", "face": -1}, "face is -1"),
        ("/edit", {"smile": None}, "smile is None"),
        ("/reenact", {"consent": "false"}, "consent is 'false'"),
        ("/reenact", {"smoothing": None}, "smoothing is None"),
        ("/reenact", {"size": 300}, "size is 300"),
        ("/reenact", {"motion": "terabytes.npz"}, "broken array"),
    ],
)
def test_bad_input_gives_the_message_without_folders(client, files, endpoint, changes, words):
    least = {
        "/reenact": reenact(),
        "/talk": {"portrait": "portrait.png", "consent": True},
        "/free_view": {"portrait": "portrait.png", "driving": None, "speech": None, "motion": None, "consent": True},
        "/edit": {"portrait": "portrait.png"},
    }
    with pytest.raises(AppError) as caught:
        call(client, endpoint, files, **{**least[endpoint], **changes})
    message = str(caught.value)
    assert words in message
    assert "gradio" not in message and "Traceback" not in message and str(files) not in message


def test_an_avatar_is_prepared_once_for_a_visitor(page, files, monkeypatch):
    prepared = []
    prepare = MGGTalkPipeline.prepare

    def counted(self, portrait, *arguments, **options):
        prepared.append(portrait)
        return prepare(self, portrait, *arguments, **options)

    monkeypatch.setattr(MGGTalkPipeline, "prepare", counted)
    visitor = visit(page.local_url)
    for pose in ("relative", "absolute"):
        call(visitor, "/reenact", files, **reenact(pose=pose))
    assert len(prepared) == 1
    call(visit(page.local_url), "/edit", files, portrait="portrait.png", size=256)
    assert len(prepared) == 2, "another visitor has avatars of his own"


def test_six_jobs_of_three_clients_finish_or_are_refused(page, files):
    clients = [visit(page.local_url) for _ in range(3)]
    for visitor in clients:
        call(visitor, "/edit", files, portrait="portrait.png", size=256)  # the avatars, so that the jobs are short
    arguments = given(files, reenact())
    jobs = [visitor.submit(api_name="/reenact", **arguments) for _ in range(2) for visitor in clients]
    served: set[int] = set()
    memory = []
    for visitor in clients:
        assert call(visitor, "/check", files, portrait="portrait.png")["usable"]
    assert not all(job.done() for job in jobs), "checks do not wait for videos"
    for number, job in enumerate(jobs):
        try:
            video, _, _ = job.result(timeout=600)
            assert os.path.getsize(video) > 1000
            served.add(number % len(clients))
        except Exception as error:  # the client has a kind of its own for every release
            assert "waits for you already" in str(error), error
        memory.append(resident_megabytes())
    assert len(served) == len(clients), "one place works, and every client has one to wait in"
    assert memory[-1] - memory[2] < 150, memory
    ours = ("mggtalk-map", "mggtalk-ahead")  # what makes frames and reads ahead; Gradio's pools grow as they like
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(ours)], (
        "no job's thread is left"
    )


def resident_megabytes():
    """Memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_nothing_of_the_disk_is_served_and_limits_hold(page, client):
    options = serving(page)
    assert options["allowed_paths"] == [] and options["max_file_size"] == "100mb"
    assert (LIMITS.max_image_megabytes, LIMITS.max_video_seconds, LIMITS.max_sound_seconds) == (10.0, 60.0, 120.0)
    boxes = [block for block in page.blocks.values() if type(block) is gr.Textbox]
    assert [box.elem_id for box in boxes] == ["statement"], "no box in which a path could be typed"


def test_no_event_waits_in_the_queue_of_gradio(page):
    assert page._queue.max_size is None
    queued = [fn for fn in page.fns.values() if fn.queue is not False]
    assert {fn.concurrency_limit for fn in queued} <= {None, "default"}
    assert page._queue.default_concurrency_limit is None


def test_sizes_and_faces_are_integers(client):
    for name, entry in client.view_api(return_format="dict")["named_endpoints"].items():
        for part in entry["parameters"]:
            if part["parameter_name"] in ("size", "face", "driver_face", "seed"):
                assert part["type"]["type"] == "integer", (name, part)


def test_too_few_values_are_told(page):
    number = next(fn._id for fn in page.fns.values() if fn.api_name == "edit")
    body = {"data": [], "fn_index": number, "session_hash": "few"}
    assert httpx.post(f"{page.local_url}gradio_api/queue/join", json=body).status_code == 200
    with httpx.stream("GET", f"{page.local_url}gradio_api/queue/data?session_hash=few", timeout=60) as answer:
        text = next(line for line in answer.iter_lines() if "process_completed" in line)
    assert "didn't receive enough input values" in text


def test_nothing_is_left_of_two_visitors_in_turn(page, files, cache):
    # Equal files are one file of the cache, so the second visitor's must outlive the first.
    kept = files_below(cache)
    number = {fn.api_name: fn for fn in page.fns.values()}
    studio = number["check"].fn.__self__._studio
    first, second = (gr.Request(session_hash=name) for name in ("turn-1", "turn-2"))
    pair = np.asarray(Image.open(files / "two.png"))
    Image.fromarray(pair // 4 * 3).save(files / "turn.png")  # no other test's pictures are equal to what it gives
    own = [str(shutil.copy(files / "turn.png", _folder(cache, name))) for name in ("t1", "t2")]
    for request, path in zip((first, second), own):
        studio.check(path, request)
        studio.why(Portrait(path, 0), request)
        studio.sides(Portrait(path, 0), 256, request)
    studio.leave(first)
    assert not Path(own[0]).exists() and Path(own[1]).exists()
    assert len(files_below(cache) - kept) >= 7, "faces, four explanations, three sides, the upload"
    studio.leave(second)
    assert not files_below(cache) - kept


def _folder(cache, name):
    (cache / name).mkdir()
    return cache / name


def test_the_depth_choice_has_only_what_is_here_and_says_how_to_fetch_the_rest(page):
    (depth,) = [block for block in page.blocks.values() if type(block) is gr.Dropdown and block.value == "mesh"]
    assert all(status(name).ready for _, name in depth.choices)
    about = next(block.value for block in page.blocks.values() if "doctor --fetch" in str(getattr(block, "value", "")))
    missing = [name for name in NAMES if not status(name).ready]
    assert missing and all(f"doctor --fetch {name}</code>" in about or "pip install" in about for name in missing)
