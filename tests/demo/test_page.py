import math
import re
import threading

import gradio as gr
import numpy as np
import pytest
import skimage.data
import soundfile
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demo.examples import collect
from demo.progress import Pace, describe
from demo.sessions import Jobs, recall, remember
from demo.ui import build, serving
from demo.viewer import ORBIT, save_for_viewer
from mggtalk.media import VideoWriter, has_sound, open_video, read_mark
from mggtalk.motion.motion_file import load_motion
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import load_ply
from mggtalk.scene import Gaussians

ASTRONAUT = skimage.data.astronaut()


@pytest.fixture(scope="module")
def pipe():
    return MGGTalkPipeline.from_pretrained()


@pytest.fixture(scope="module")
def page(pipe):
    page = build(pipe)
    page.launch(prevent_thread_lock=True, quiet=True, **serving())
    yield page
    page.close()


@pytest.fixture(scope="module")
def client(page):
    return Client(page.local_url, verbose=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    Image.fromarray(ASTRONAUT[:320, 64:384]).save(folder / "portrait.png")
    Image.fromarray(skimage.data.coffee()[:256, :256]).save(folder / "no_face.png")
    (folder / "text.png").write_text("not a picture")
    (folder / "text.mp4").write_text("not a video\n" * 20)
    time = np.arange(8000) / 16000
    noise = np.random.default_rng(0).normal(size=len(time)) * (0.5 + 0.5 * np.sin(8 * np.pi * time))
    soundfile.write(folder / "speech.wav", 0.2 * noise, 16000)
    soundfile.write(folder / "silent.wav", np.zeros(8000), 16000)
    with VideoWriter(folder / "driving.mp4", 256, 256, 25, sound=folder / "speech.wav") as writer:
        for shift in range(4):
            window = (64 + 2 * shift, 0, 384 + 2 * shift, 320)
            writer.write(np.asarray(Image.fromarray(ASTRONAUT).resize((256, 256), box=window)))
    return folder


def call(client, endpoint, files, **arguments):
    """Call an endpoint; file arguments are names in the folder."""
    uploads = ("portrait", "driving", "speech", "motion")
    given = {
        name: handle_file(str(files / value)) if name in uploads and value else value
        for name, value in arguments.items()
    }
    return client.predict(api_name=endpoint, **given)


def path_of(video):
    """Gradio's clients give a video as a path or as a dictionary with subtitles."""
    return video["video"] if isinstance(video, dict) else video


def test_endpoints_are_the_three_named_ones(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/reenact", "/talk", "/free_view"}


def test_reenact(client, files):
    video, facts = call(
        client,
        "/reenact",
        files,
        portrait="portrait.png",
        driving="driving.mp4",
        motion=None,
        pose="relative",
        size=256,
    )
    path = path_of(video)
    with open_video(path) as reader:
        assert (reader.width, reader.height, len(list(reader))) == (256, 256, 4)
    assert has_sound(path)
    assert read_mark(path)
    assert "4 frames of 256×256" in facts and "AI-made" in facts


def test_talk(client, files):
    video, facts = call(
        client, "/talk", files, portrait="portrait.png", speech="speech.wav", language="other", seed=1, size=256
    )
    with open_video(path_of(video)) as reader:
        assert abs(len(list(reader)) - 12.5) < 2
    assert has_sound(path_of(video))
    assert "0.5 s" in facts


def test_free_view_with_a_driver(client, files):
    video, _, model, download = call(
        client,
        "/free_view",
        files,
        portrait="portrait.png",
        driving="driving.mp4",
        speech=None,
        motion=None,
        low=-20,
        high=20,
        size=256,
    )
    with open_video(path_of(video)) as reader:
        assert len(list(reader)) == 4
    for path in (model, download):
        with open(path, "rb") as file:
            assert file.read(4) == b"ply\n"


@pytest.mark.parametrize(
    ("endpoint", "arguments", "words"),
    [
        ("/reenact", {"portrait": None, "driving": "driving.mp4", "motion": None}, "no portrait"),
        ("/reenact", {"portrait": "portrait.png", "driving": None, "motion": None}, "no driver"),
        ("/reenact", {"portrait": "no_face.png", "driving": "driving.mp4", "motion": None}, "face"),
        ("/reenact", {"portrait": "text.png", "driving": "driving.mp4", "motion": None}, "text.png"),
        ("/reenact", {"portrait": "portrait.png", "driving": "text.mp4", "motion": None}, "text.mp4"),
        ("/talk", {"portrait": "portrait.png", "speech": "silent.wav"}, "silent"),
        ("/talk", {"portrait": "portrait.png", "speech": None}, "no recording"),
        ("/free_view", {"portrait": "portrait.png", "low": 0, "high": 0}, "yaw"),
    ],
)
def test_bad_input_gives_the_message_without_folders(client, files, endpoint, arguments, words):
    if endpoint == "/free_view":
        arguments = {"driving": None, "speech": None, "motion": None, **arguments}
    with pytest.raises(AppError) as caught:
        call(client, endpoint, files, **arguments)
    message = str(caught.value)
    assert words in message
    assert "gradio" not in message and "Traceback" not in message


def test_an_avatar_is_prepared_once_for_a_visitor(page, pipe, files, monkeypatch):
    prepared = []
    prepare = MGGTalkPipeline.prepare

    def counted(self, portrait, *arguments, **options):
        prepared.append(portrait)
        return prepare(self, portrait, *arguments, **options)

    monkeypatch.setattr(MGGTalkPipeline, "prepare", counted)
    arguments = dict(portrait="portrait.png", driving="driving.mp4", motion=None, size=256)
    visitor = Client(page.local_url, verbose=False)
    for pose in ("relative", "absolute"):
        call(visitor, "/reenact", files, pose=pose, **arguments)
    assert len(prepared) == 1
    call(Client(page.local_url, verbose=False), "/reenact", files, pose="relative", **arguments)
    assert len(prepared) == 2, "another visitor has avatars of his own"


def test_nothing_of_the_disk_is_served(page, files):
    assert serving()["allowed_paths"] == []
    kinds = {type(block) for block in page.blocks.values()}
    assert gr.Textbox not in kinds, "no box in which a path could be typed"


def test_heavy_events_share_one_place_in_the_queue(page):
    heavy = [fn for fn in page.fns.values() if fn.api_name in ("reenact", "talk", "free_view")]
    assert len(heavy) == 3
    assert {(fn.concurrency_id, fn.concurrency_limit) for fn in heavy} == {("pipeline", 1)}


def test_pace_tells_stage_rate_and_time_left():
    now, lines = [0.0], []
    pace = Pace(lambda part, line: lines.append((part, line)), clock=lambda: now[0])
    for done in range(1, 101):
        pace("render", done, 100)
        now[0] += 0.04
    assert lines[-1][0] == 1.0
    assert pace.frames_per_second == pytest.approx(25.0)
    assert any(re.search(r"5\d of 100 frames, 25.0 frames/s, 2 s left", line) for _, line in lines)
    assert len(lines) < 40, "not every frame is worth a message"
    assert describe("depth", 0, 3, None) == "Estimating depth"


def test_jobs_stop_the_visitor_who_asked_and_nobody_else():
    jobs = Jobs()
    with jobs.job("a") as first, jobs.job("b") as second:
        jobs.stop("b")
        jobs.stop("nobody")
        assert (first.is_set(), second.is_set()) == (False, True)
    jobs.stop("a")


def test_a_stopped_job_ends_and_leaves_no_file(page, files, monkeypatch, tmp_path):
    """Stop arrives while frames are rendered; the next report of progress ends the job."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    studio = next(fn.fn for fn in page.fns.values() if fn.api_name == "reenact").__self__
    request = gr.Request(session_hash="somebody")
    reports = []

    def progress(part, desc):
        reports.append(desc)
        if " of " in desc:
            threading.Thread(target=studio.stop, args=(request,)).run()

    arguments = (str(files / "portrait.png"), str(files / "driving.mp4"), None, "relative", 256, "mesh", ())
    with pytest.raises(gr.Error, match="Stopped"):
        studio.reenact(*arguments, request, progress)
    assert list(tmp_path.iterdir()) == []


def test_avatars_are_remembered_up_to_two():
    avatars = ()
    for key in ("a", "b", "a", "c"):
        avatars = remember(avatars, key, key.upper())
    assert [key for key, _ in avatars] == ["c", "a"]
    assert recall(avatars, "a") == "A" and recall(avatars, "b") is None


def test_examples_are_complete_and_fit_the_embedded_face_model(pipe):
    examples = collect()
    assert Image.open(examples.portrait).size == (512, 512)
    assert len(examples.motions) >= 2 and len(examples.speech) >= 1
    for path in examples.motions:
        assert 3.0 <= load_motion(path, pipe.face_model.version).seconds <= 6.0


def test_the_viewer_gets_the_whole_head_turned_to_its_fixed_camera(tmp_path):
    nose_and_crown = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, -1.0, -1.0], [0.0, 0.0, 0.0]])
    splats = Gaussians(
        nose_and_crown,
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(4, 1),
        torch.full((4, 3), 0.1),
        torch.ones(4),
        torch.zeros(4, 4, 3),
    )
    save_for_viewer(splats, tmp_path / "view.ply")
    means = load_ply(tmp_path / "view.ply", rotation=np.eye(3)).means
    nose, crown = means[0] - means[3], means[1] - means[3]
    up = math.sin(ORBIT)
    camera = torch.tensor([math.sin(ORBIT) * math.cos(ORBIT), -up, -(math.cos(ORBIT) ** 2)])  # y is down in the file
    torch.testing.assert_close(nose / nose.norm(), camera, atol=1e-5, rtol=0)
    assert crown[1] < 0 and float(means.amax() - means.amin()) < 2.5


def test_the_depth_choice_states_what_would_be_downloaded(page):
    (depth,) = [block for block in page.blocks.values() if isinstance(block, gr.Dropdown)]
    labels = {name: label for label, name in depth.choices}
    assert depth.value == "mesh" and "embedded" in labels["mesh"]
    assert "5.0 GB to download" in labels["geowizard"] or "ready" in labels["geowizard"]
    heavy = [fn for fn in page.fns.values() if fn.api_name in ("reenact", "talk", "free_view")]
    assert all(depth in fn.inputs for fn in heavy)


def test_a_visitor_cannot_name_a_folder_of_the_server(page, files):
    studio = next(fn.fn for fn in page.fns.values() if fn.api_name == "reenact").__self__
    arguments = (str(files / "portrait.png"), str(files / "driving.mp4"), None, "relative", 256, "geowizard=/", ())
    with pytest.raises(gr.Error, match="no depth estimator"):
        studio.reenact(*arguments, gr.Request(session_hash="somebody"), lambda *_, **__: None)
