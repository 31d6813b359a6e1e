"""What is compiled gives what its readable torch version gives: one test over all twins and their cases.

A kernel that is new needs a line here: the twin that holds it, or, in :data:`ALONE`, the test that holds it by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.adapter import Touch
from mggtalk.config import InpaintConfig
from mggtalk.face.roi import Roi, resample
from mggtalk.geometry import euler_to_rotation
from mggtalk.inpaint.compiled.finisher import CpuFinisher
from mggtalk.inpaint.compiled.frame import HIDDEN
from mggtalk.inpaint.follow import shed_loose, torso_and_background, torso_warp
from mggtalk.inpaint.image_renderer import ImageRenderer, compose, describe_change
from mggtalk.inpaint.plates import Plates
from mggtalk.motion.deformation import drive_points
from mggtalk.nets.folded_unet import FoldedUNet
from mggtalk.nets.freeze import freeze
from mggtalk.nets.gates import frame_gate
from mggtalk.nets.unet import ResidualUNet
from mggtalk.render import rasterize
from mggtalk.render.constants import MIN_ALPHA
from mggtalk.scene import Gaussians, MotionFrame
from mggtalk.sgp.compiled.predictor import CpuPredictor
from tests.face.test_roi import PICTURE, expected_samples
from tests.render.conftest import make_scene
from tests.render.test_render_gradients import gradients
from tests.sgp.plane import PARTS, closed, lively_avatar, opened, predictor

Outcome = tuple[Sequence[Tensor], Sequence[Tensor]]
"""What the compiled version gives, and what torch gives."""


class Case(NamedTuple):
    """One comparison."""

    name: str
    run: Callable[[], Outcome]
    atol: float
    rtol: float = 0.0
    quantile: float = 1.0  # share of the numbers that must be as near: thresholds flip in few


class Twin(NamedTuple):
    """Two versions of one stage."""

    kernels: tuple[str, ...]  # that the compiled one runs
    cases: Callable[[], Iterator[Case]]


# rasterizer


def drawn(dtype: torch.dtype, channels: int) -> Outcome:
    """Image, alpha and depth, and the gradients by everything, both over what is largest in torch's."""
    background = torch.linspace(0.2, 0.9, channels, dtype=dtype)
    exact = make_scene(count=120)
    features = None
    if channels != 3:
        features = torch.randn(120, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pictures = [
        rasterize(*make_scene(count=120, dtype=dtype), background, None if features is None else features.to(dtype)),
        rasterize(*exact, background.double(), features, backend="reference"),
    ]
    found, wanted = ([picture.image, picture.alpha] for picture in pictures)
    if features is None:
        by_kernel = gradients("cpu", *make_scene(count=120, dtype=dtype), background)
        by_torch = gradients("reference", *exact, background.double())
        for name, value in by_torch.items():
            found.append(by_kernel[name] / value.abs().max())
            wanted.append(value / value.abs().max())
    return found, wanted


def rasterizer() -> Iterator[Case]:
    """Precisions, colours and more channels than one pass takes."""
    for dtype, channels in product((torch.float64, torch.float32), (3, 7)):
        exact = dtype == torch.float64
        name = f"{str(dtype)[6:]}, {channels} channels"
        yield Case(name, lambda d=dtype, c=channels: drawn(d, c), 1e-10 if exact else 1e-3, 0.0, 1.0 if exact else 0.99)


# Gaussians of an avatar


def touched() -> Touch:
    """What an adapter may add, by chance."""
    avatar = lively_avatar()
    generator = torch.Generator().manual_seed(7)
    count = len(avatar.points)

    def some(*shape: int) -> Tensor:
        return 0.02 * torch.randn(*shape, generator=generator)

    return Touch(
        vertices=some(*avatar.vertices.shape),
        points=some(count, 3),
        colour=some(count, 3),
        colour_step=some(count, 3),
        logits=some(count),
        sheet=some(len(avatar.mouth.colour), 7),
    )


def splats(learned: tuple[str, ...], changes: dict[str, bool], shut: bool, touch: bool, children: bool) -> Outcome:
    """All fields of the Gaussians of one frame. Those of a mouth that cannot be seen are not made by the kernels."""
    avatar, sgp = lively_avatar(), predictor(learned=learned, **changes)
    vertices, expression = (closed if shut else opened)(avatar)
    features, added = sgp.features(avatar), touched() if touch else None
    assert CpuPredictor.suits(sgp, avatar, features)
    driven = drive_points(avatar, vertices, expression, added)
    wanted = (sgp.dense if children else sgp.coarse)(avatar, driven, features)
    found, _ = CpuPredictor(sgp, avatar, features, children)(vertices, expression, touch=added)
    count = len(found.means)
    assert (count < len(wanted.means)) == (shut and not touch)
    assert not (wanted.opacities[count:] >= MIN_ALPHA).any(), "what is left out would be drawn"
    return found, Gaussians(*(field[:count] for field in wanted))


def gaussians() -> Iterator[Case]:
    """What is learned or switched off, lips, adapter, densification."""
    every: list[tuple[tuple[str, ...], dict[str, bool]]] = [((), {}), *(((part,), {}) for part in PARTS), (PARTS, {})]
    every += [(PARTS, {name: False}) for name in ("densify", "points", "sym_twin", "sym_decoder")]
    for (learned, changes), shut, touch, children in product(every, (False, True), (False, True), (True, False)):
        words = (
            *(f"learned {', '.join(learned) or 'nothing'}", *(f"without {name}" for name in changes)),
            *("closed lips" if shut else "open lips", "adapter" if touch else "no adapter"),
            "dense" if children else "coarse",
        )

        def run(one: tuple[str, ...] = learned, two: dict[str, bool] = changes, more: tuple[bool, bool, bool] = (
            shut, touch, children,
        )) -> Outcome:  # fmt: skip
            return splats(one, two, *more)

        yield Case(", ".join(words), run, atol=3e-4, rtol=1e-3)


# end of a frame


def image_renderer(side: int, learned: bool) -> ImageRenderer:
    """A small one, whose residual is not zero if it is learned."""
    torch.manual_seed(0)
    network = freeze(ImageRenderer(InpaintConfig(width=4, stride=2, side=side)))
    if learned:
        torch.nn.init.normal_(network.unet.last.weight, std=0.3)
    return network


def finished(size: int, side: int, learned: bool, block: int) -> Outcome:
    """The composite, and the picture in grey levels."""
    generator = torch.Generator().manual_seed(2)
    fine = size * block

    def smooth(*shape: int) -> Tensor:
        picture = torch.rand(1, *shape, generator=generator)
        return F.interpolate(picture, size=(fine, fine), mode="bicubic")[0].clamp(0, 1)

    alpha, torso = smooth(1, 8, 8), smooth(1, 6, 6)
    maps = smooth(1, 4, 4), smooth(1, 3, 3), smooth(1, 5, 5)
    plates = Plates(smooth(3, 8, 8), torch.cat([smooth(3, 9, 9) * torso, torso]), *maps)
    source = MotionFrame(torch.zeros(64), torch.eye(3), torch.tensor((0.1, 0.2, 9.0)))
    frame = MotionFrame(
        torch.full((64,), 0.7),
        euler_to_rotation(torch.tensor((0.1, -0.2, 0.15))),
        torch.tensor((0.4, -0.1, 9.5)),
        torch.tensor(((1.05, -0.03, 0.02), (0.03, 1.05, -0.04))),
    )
    head, network, ratio = smooth(3, 8, 8) * alpha, image_renderer(side, learned), 2.5
    assert CpuFinisher.suits(plates, network)
    finisher = CpuFinisher(plates, source, network, ratio, block)
    plate = torso_and_background(shed_loose(plates, source, frame), torso_warp(plates, source, frame, ratio), fine)
    pixels, cover = head.permute(1, 2, 0).contiguous(), alpha[0].contiguous()
    composite = torch.from_numpy(finisher.compose(pixels.numpy(), cover.numpy(), frame)).permute(2, 0, 1)
    over = head + (1.0 - alpha) * plate[0]
    assert (composite - over).abs().max() < 2e-4 + HIDDEN
    change = describe_change(frame, source)[None]
    expected = network(*compose(head[None], alpha[None], plate, frame_gate(frame, source), change, block))[0]
    picture = torch.from_numpy(finisher(pixels, cover, frame)).permute(2, 0, 1).float()
    assert (picture - 255.0 * expected).abs().mean() < 0.3, "rounding"
    return [picture], [255.0 * expected]


def frames() -> Iterator[Case]:
    """Sizes beside the network's own, several fine pixels a pixel."""
    for size, side, learned, block in (
        *((64, 64, False, 1), (64, 64, True, 1), (96, 64, True, 1)),
        *((64, 96, True, 1), (48, 64, False, 2), (32, 64, True, 3)),
    ):
        name = f"{size} px, network of {side}{', learned' if learned else ''}, block {block}"
        atol = 1.5 if learned else 1.01  # grey levels; a network amplifies rounding
        yield Case(name, lambda *_, a=(size, side, learned, block): finished(*a), atol)


# networks and regions


def unfolded() -> Outcome:
    """The UNet's residual, rows first."""
    torch.manual_seed(0)
    unet = freeze(ResidualUNet(3, 8, width=8, depth=2, condition=5))
    torch.nn.init.normal_(unet.last.weight)
    maps, condition = torch.randn(1, 3, 8, 12), torch.randn(1, 5)
    folded = FoldedUNet(unet, unfold=2)
    rows = folded(F.conv2d(maps, folded.entry, padding=1), condition)
    rows = rows.view(8, 12, 2, 2, 2)  # rows, columns, inner row, inner column, channel
    return [rows.permute(4, 0, 2, 1, 3).reshape(1, 2, 16, 24)], [F.pixel_shuffle(unet(maps, condition), 2)]


def networks() -> Iterator[Case]:
    """The UNet."""
    yield Case("residual", unfolded, atol=1e-5, rtol=1e-4)


def regions() -> Iterator[Case]:
    """Regions inside, across the border and outside."""
    places = (
        *(Roi(35.0, 25.0, 16.0, 0.0), Roi(30.2, 20.9, 21.3, 0.4), Roi(3.0, 47.0, 30.0, -2.6)),
        *(Roi(69.5, 0.2, 8.0, 1.5), Roi(-40.0, 25.0, 20.0, 0.3)),
    )
    for roi, padding in product(places, ("zeros", "border")):

        def run(roi: Roi = roi, padding: str = padding) -> Outcome:
            samples = resample(PICTURE, roi, 16, padding)
            assert samples.shape == (16, 16, 3) and samples.dtype == np.float32
            return [torch.from_numpy(samples)], [torch.from_numpy(expected_samples(roi, 16, padding))]

        yield Case(f"{roi.side:g} px, {padding}", run, atol=0.02)


TWINS: dict[str, Twin] = {
    "rasterizer": Twin(
        (
            *("shade", "shade_gradients", "project", "project_gradients", "composite", "composite_gradients"),
            *("gather", "depth_order", "count_tiles", "fill_tiles", "tile_starts"),
        ),
        rasterizer,
    ),
    "Gaussians": Twin(
        (
            *("bind_points", "scatter_moved", "describe_visible", "pool_twins", "pool_places"),
            *("describe_mirrored", "activate"),
        ),
        gaussians,
    ),
    "frame": Twin(("follow_head", "cover_plate", "shrink_rows", "stack_layers", "finish"), frames),
    "UNet": Twin((), networks),
    "region": Twin(("roi._average", "roi._sample"), regions),
}

ALONE = {
    "composite_sums": "render/test_render_paint.py",
    "refine_poses": "face/test_pose_kernel.py",
    "watermark._average": "media/test_media_marks.py",
    "watermark._add": "media/test_media_marks.py",
    "_mix": "speech/test_acoustic.py",
    "_search": "speech/test_acoustic.py",
    "match": "inpaint/test_fill_background.py",
    "vote": "inpaint/test_fill_background.py",
    "flow._move": "dub/test_flow.py",
    "flow._draw_shift": "dub/test_flow.py",
}
"""Other kernels, and the test that holds them: by hand, by what they must do, or against a torch version."""

BESIDE = {
    "sgp/predictor": "sgp/compiled/predictor",
    "sgp/footprint": "sgp/compiled/kernels",
    "sgp/densify": "sgp/compiled/kernels",
    "sgp/parameters": "sgp/compiled/kernels",
    "motion/deformation": "sgp/compiled/kernels",
    "sgp/gaussian_decoder": "sgp/compiled/residuals",
    "sgp/sym_decoder": "sgp/compiled/residuals",
    "sgp/mouth/decoder": "sgp/compiled/residuals",
    "render/torch_reference": "render/compiled/rasterizer",
    "render/harmonics": "render/compiled/harmonics",
    "inpaint/follow": "inpaint/compiled/frame",
    "inpaint/shrink": "inpaint/compiled/frame",
    "inpaint/image_renderer": "inpaint/compiled/finisher",
    "nets/unet": "nets/folded_unet",
}
"""Modules to read, and those that are compiled from the same equations. The docstring of each names the other."""

CASES = [pytest.param(case, id=f"{name}: {case.name}") for name, twin in TWINS.items() for case in twin.cases()]


@pytest.mark.parametrize("case", CASES)
def test_twins_agree(case: Case) -> None:
    found, wanted = case.run()
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted):
        one, other = one.double(), other.double()
        assert one.shape == other.shape and bool(one.isfinite().all())
        excess = (one - other).abs() - case.rtol * other.abs()
        if excess.numel():
            assert float(excess.flatten().quantile(case.quantile)) <= case.atol


def test_every_kernel_is_held_by_a_test() -> None:
    root = Path(__file__).parents[1]
    kernels = []
    for path in sorted((root / "mggtalk").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(ast.unparse(mark) == "kernel" for mark in node.decorator_list):
                kernels.append((f"{path.stem}.{node.name}", node.name))
    named = {*ALONE, *(kernel for twin in TWINS.values() for kernel in twin.kernels)}
    assert not [full for full, short in kernels if not {full, short} & named], "name its twin, or its test in ALONE"
    assert named == {name for names in kernels for name in names} & named, "a kernel that is gone is still named"
    assert all((root / "tests" / test).is_file() for test in ALONE.values())


@pytest.mark.parametrize("pair", BESIDE.items(), ids=BESIDE.keys())
def test_twins_name_each_other(pair: tuple[str, str]) -> None:
    for one, other in (pair, pair[::-1]):
        text = ast.get_docstring(ast.parse((Path(__file__).parents[1] / f"mggtalk/{one}.py").read_text()))
        assert text is not None and f"mggtalk.{other.replace('/', '.')}" in text
