"""What tests of several packages share: one real face, one pipeline and one prepared avatar."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from skimage import data
from xdist.scheduler import LoadScopeScheduling

from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound, load_sound
from mggtalk.runtime.progress import no_progress
from mggtalk.scene import Motion
from tests import remember

if TYPE_CHECKING:  # the pipeline takes seconds to import; most tests do not need it
    from mggtalk.avatar.avatar import Avatar
    from mggtalk.pipeline import MGGTalkPipeline


ROOT = Path(__file__).parents[1]
COMPILER = pytest.StashKey[subprocess.Popen[bytes]]()
LONG = tuple(
    f"tests/{name}"
    for name in ("notebooks", "demo", "training", "person", "cli", "dub", "portrait", "evaluation", "export", "test_")
)

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core for each worker and what it starts, notebooks too
os.environ.setdefault("MGGTALK_OFFLINE", "1")  # lips by likely phones: tests must not depend on a package index


class ByFolder(LoadScopeScheduling):
    """Give the tests of a folder to one worker, so that what they share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        """Name the folder in which a test lies; for the page's long tests, the file."""
        file = nodeid.partition("::")[0]
        return file if file.startswith("tests/demo/") else file.rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Hand out whole folders."""
    return ByFolder(config, log)


def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Compile the kernels while the workers import what they need."""
    command = [sys.executable, "-m", "tests.compile_kernels"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    config.stash[COMPILER] = subprocess.Popen(command, cwd=ROOT, **quiet)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no process behind."""
    if COMPILER in config.stash and config.stash[COMPILER].wait() != 0:
        raise RuntimeError("The kernels could not be compiled ahead: python -m tests.compile_kernels says why.")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among what all tests import: each look goes over millions of objects that stay for good."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # later looks, those of tests too, pass over what was there before the first test
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Prepare each picture once for the tests that do something with its avatar."""
    with remember.avatars_remembered(item.config) if item.nodeid.startswith(remember.FOLDERS) else nullcontext():
        return (yield)


def pytest_xdist_auto_num_workers() -> int:
    """Take a worker for each core: each further one imports, loads and prepares everything once more."""
    return min(4, os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    """Small networks on small pictures: more threads than this, or one for each of several workers, get in the way."""
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, torch.get_num_threads()))


@pytest.fixture(autouse=True)
def no_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line writes about long work must not depend on how busy the machine is."""
    monkeypatch.setattr("mggtalk.cli.progress.StageLines", lambda: nullcontext(no_progress))


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A public-domain photo with one face, uint8 ``[512, 512, 3]``."""
    picture = np.ascontiguousarray(data.astronaut())
    picture.setflags(write=False)
    return picture


@pytest.fixture(scope="session")
def pipeline() -> MGGTalkPipeline:
    """The embedded pipeline. Tests must not change it."""
    from mggtalk.pipeline import MGGTalkPipeline

    return MGGTalkPipeline.from_pretrained()


@pytest.fixture(scope="session")
def prior_pipeline() -> MGGTalkPipeline:
    """The embedded pipeline without its learned residuals. Tests must not change it."""
    from mggtalk.pipeline import MGGTalkPipeline

    return MGGTalkPipeline.from_pretrained(prior=True)


@pytest.fixture(scope="session")
def avatar(pipeline: MGGTalkPipeline, astronaut: np.ndarray) -> Avatar:
    """The astronaut as an avatar that shows the whole square picture."""
    return pipeline.prepare(astronaut, crop="none")


@pytest.fixture(scope="session")
def motion(pipeline: MGGTalkPipeline, avatar: Avatar) -> Motion:
    """Five frames of an invented driver, all different: expression and pose change smoothly."""
    time = torch.linspace(0.0, 1.0, 5)
    generator = torch.Generator().manual_seed(7)
    direction = torch.randn(avatar.expression.shape[0], generator=generator) * 0.5
    turn = 0.15 * (time - 0.5)
    rotation = torch.eye(3).repeat(5, 1, 1)
    rotation[:, 0, 0] = rotation[:, 2, 2] = turn.cos()
    rotation[:, 0, 2], rotation[:, 2, 0] = turn.sin(), -turn.sin()
    return Motion(
        expression=time[:, None] * direction,
        rotation=rotation,
        translation=torch.stack([0.2 * time, -0.1 * time, 9.0 + time], dim=-1),
        fps=25.0,
        face_model=pipeline.face_model.version,
        focal_ratio=pipeline.config.render.focal_ratio,
    )


@pytest.fixture(scope="session")
def face_model() -> FaceModel:
    """The embedded face model."""
    return FaceModel.from_file(ROOT / "weights" / "face_model.safetensors")


@pytest.fixture(scope="session")
def hello() -> Sound:
    """The example recording: 'Hello! - One photo of me is all it took. - Give me a voice, and my head moves ...'."""
    return load_sound(ROOT / "examples" / "hello.flac")


@pytest.fixture(scope="session")
def hello_motion(hello: Sound, face_model: FaceModel) -> Motion:
    """What the example recording becomes with seed 3."""
    from mggtalk.speech.listen import listen

    return listen(hello, face_model, seed=3)
