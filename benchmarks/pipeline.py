"""Times the whole path, video in to video out, and its stages: ``python -m benchmarks.pipeline``.

The portrait is a public-domain photo; the driving video is rendered from one of the example motions first, unless one
is given. ``prepare`` and the loading of weights are not part of the path. Every row comes with the speed of a fixed
stack of convolutions measured beside it, so that figures from machines that are busy or slow can be compared.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from skimage import data

from mggtalk.animate.keyframes import EVERY
from mggtalk.avatar.avatar import Avatar
from mggtalk.checkpoint import NETWORKS
from mggtalk.config import paper, tiny
from mggtalk.media import VideoWriter, open_video
from mggtalk.motion.motion_file import load_motion
from mggtalk.motion.retarget import retarget
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Motion

MOTION = Path(__file__).parents[1] / "examples"
STACK = (4, 64, 96)
"""Reference work: layers, channels and side of a stack of 3x3 convolutions."""


class Row(NamedTuple):
    """One line of the table."""

    stage: str
    milliseconds: float  # per frame, wall clock
    cpu: float  # per frame, of this process
    reference: float  # GFLOP/s of the reference work measured beside it


def reference_speed(device: torch.device, repeats: int = 5) -> float:
    """GFLOP/s of the stack of convolutions, the best of a few."""
    layers, channels, side = STACK
    picture = torch.randn(1, channels, side, side, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3, device=device) / (3 * channels**0.5)
    times = []
    with torch.inference_mode():
        for _ in range(repeats):
            synchronise(device)
            start = time.perf_counter()
            hidden = picture
            for _ in range(layers):
                hidden = torch.nn.functional.conv2d(hidden, weight, padding=1)
            synchronise(device)
            times.append(time.perf_counter() - start)
    return layers * 2 * channels * channels * 9 * side * side / min(times) / 1e9


def synchronise(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured(stage: str, work: Callable[[], object], frames: int, device: torch.device, repeats: int) -> Row:
    """Median time of some work, over its frames."""
    reference = reference_speed(device)
    walls, cpus = [], []
    for _ in range(repeats):
        synchronise(device)
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        synchronise(device)
        walls.append((time.perf_counter() - wall) / frames * 1e3)
        cpus.append((time.process_time() - cpu) / frames * 1e3)
    return Row(stage, median(walls), median(cpus), reference)


def teach(pipe: MGGTalkPipeline) -> None:
    """Give networks that are still zero a tiny residual, so that they are not skipped."""
    for name in NETWORKS:
        for module in getattr(pipe, name).modules():
            last = getattr(module, "last", None)
            if isinstance(last, torch.nn.Conv2d | torch.nn.Linear) and not bool(last.weight.any()):
                torch.nn.init.normal_(last.weight, std=1e-5)


def frame_stages(pipe: MGGTalkPipeline, avatar: Avatar, motion: Motion, size: int, repeats: int) -> Iterator[Row]:
    """One frame after the other, on torch's own threads."""
    device = pipe.device
    animator = pipe.animator(avatar, size)
    frames = [type(motion[0])(*(part.to(device) for part in frame)) for frame in islice(motion, 24)]
    with torch.inference_mode():
        splats = [animator.fast_splats(frame.expression) for frame in frames]
        cameras = [animator._camera(frame) for frame in frames]
        together = animator.config.batch
        overlapped = (
            f"frames, one key in {EVERY}, overlapped" if device.type == "cpu" else f"frames, {together} at once"
        )
        work = {
            "Gaussians": lambda: [animator.fast_splats(frame.expression) for frame in frames],
            "rasterize": lambda: [rasterize(a, b) for a, b in zip(splats, cameras)],
            "whole frame, alone": lambda: [animator.frame(frame) for frame in frames],
            overlapped: lambda: list(animator.frames(motion)),
        }
        counts = [len(frames)] * 3 + [len(motion)]
        rows = [measured(name, run, count, device, repeats) for (name, run), count in zip(work.items(), counts)]
    yield from rows


def end_to_end(pipe: MGGTalkPipeline, avatar: Avatar, driving: Path, size: int, out: Path) -> None:
    """Video in, video out."""
    pipe.animate(avatar, pipe.track(driving), size).save(out)


def path_stages(
    pipe: MGGTalkPipeline, avatar: Avatar, motion: Motion, driving: Path, size: int, folder: Path, repeats: int
) -> Iterator[Row]:
    """Encoding, and everything."""
    out = folder / "out.mp4"
    made = list(pipe.animator(avatar, size).frames(motion))
    yield measured("encode", lambda: write(out, made, 25.0), len(motion), torch.device("cpu"), repeats)
    yield measured(
        "video in, video out", lambda: end_to_end(pipe, avatar, driving, size, out), len(motion), pipe.device, repeats
    )


def write(path: Path, frames: list[np.ndarray], fps: float) -> None:
    """Encode frames."""
    with VideoWriter(path, frames[0].shape[1], frames[0].shape[0], fps) as writer:
        for frame in frames:
            writer.write(frame)


def table(pipe: MGGTalkPipeline, driving: Path, sizes: list[int], folder: Path, repeats: int) -> Iterator[Row]:
    """All rows of one configuration."""
    portrait = np.ascontiguousarray(data.astronaut())
    avatar = pipe.prepare(portrait)
    here = torch.device("cpu")
    yield measured("prepare (once)", lambda: pipe.prepare(portrait), 1, here, repeats)
    tracked = pipe.track(driving)
    count = len(tracked)
    yield measured("decode", lambda: [None for _ in open_video(driving)], count, here, repeats)
    yield measured("decode + track", lambda: pipe.track(driving), count, here, repeats)
    motion = retarget(tracked, avatar, "relative", pipe.face_model)
    for size in sizes:
        stages = frame_stages(pipe, avatar, motion, size, repeats)
        for row in chain(stages, path_stages(pipe, avatar, motion, driving, size, folder, repeats)):
            yield row._replace(stage=f"{size}: {row.stage}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--configs", nargs="+", choices=("tiny", "paper"), default=["tiny"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", help="folder of weights; the embedded ones by default")
    parser.add_argument("--driving", type=Path, help="driving video; rendered from an example motion by default")
    parser.add_argument("--batch", type=int, help="frames that a GPU draws at once; as configured by default")
    parser.add_argument("--cuda-graph", action="store_true", help="let a GPU replay the networks as a CUDA graph")
    parser.add_argument("--frames", type=int, default=150, help="length of the rendered driving video")
    parser.add_argument(
        "--networks", choices=("trained", "all", "both"), default="both", help="those that are trained, or all"
    )
    parser.add_argument("--repeats", type=int, default=3, help="measurements, of which the median is printed")
    parser.add_argument("--threads", type=int, help="torch's threads; as many as there are cores by default")
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"there is no device {options.device!r} here: no CUDA GPU")
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driving = options.driving
        if driving is None:
            pipe = MGGTalkPipeline.from_pretrained(prior=True)
            avatar = pipe.prepare(np.ascontiguousarray(data.astronaut()))
            example = load_motion(min(MOTION.glob("*.npz")))
            parts = dict(expression=example.expression, rotation=example.rotation, translation=example.translation)
            example = example.with_(**{key: value[: options.frames] for key, value in parts.items()}, landmarks=None)
            driving = pipe.animate(avatar, example, 512).save(folder / "driving.mp4")
        for config in options.configs:
            for residuals in {"trained": (False,), "all": (True,), "both": (False, True)}[options.networks]:
                settings = {"tiny": tiny, "paper": paper}[config]()
                render = replace(
                    settings.render, batch=options.batch or settings.render.batch, cuda_graph=options.cuda_graph
                )
                pipe = MGGTalkPipeline.from_pretrained(options.weights, config=replace(settings, render=render))
                if residuals:
                    teach(pipe)
                pipe.to(options.device)
                print(f"\n{config}, {'all networks' if residuals else 'weights as they are'}, {options.device}, "
                      f"{torch.get_num_threads()} threads\n")  # fmt: skip
                print("| stage | ms a frame | frames a second | CPU ms a frame | GFLOP/s of the reference |")
                print("|---|---|---|---|---|")
                for row in table(pipe, driving, options.sizes, folder, options.repeats):
                    print(f"| {row.stage} | {row.milliseconds:.1f} | {1e3 / row.milliseconds:.1f} | {row.cpu:.1f} | "
                          f"{row.reference:.0f} |", flush=True)  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    card = torch.cuda.max_memory_allocated() / 2**30 if options.device != "cpu" else 0.0
    print(f"\npeak memory {peak:.2f} GB{f', of the GPU {card:.2f} GB' if card else ''}")


if __name__ == "__main__":
    main()
