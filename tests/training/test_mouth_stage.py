"""Learning the colours of the sheet behind the lips from views that are drawn once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.inpaint.shrink import shrink
from mggtalk.motion.retarget import close_lips
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.training.config import MouthConfig, TrainConfig
from mggtalk.training.data.corpus import Clip, open_corpus
from mggtalk.training.mouth.samples import MouthSamples
from mggtalk.training.mouth.stage import MouthStage
from mggtalk.training.mouth.views import MouthViewer, hide_mouth, stack
from mggtalk.training.recipes import recipe
from mggtalk.training.trainer import LOG, WEIGHTS, Trainer

QUICK = replace(
    recipe("mouth"),
    steps=6,
    warmup=1,
    ema=0.5,
    learning_rate=3e-3,
    log_every=1,
    save_every=3,
    picture_every=6,
    mouth=MouthConfig(pool=2, frames=2, batch=4, hidden=1.0),
)


@pytest.fixture
def clips(stored: Path) -> list[Clip]:
    """A smile that wanders."""
    return open_corpus(stored, mirrored=False)


@pytest.fixture
def samples(clips: list[Clip], pipeline: MGGTalkPipeline) -> MouthSamples:
    return MouthSamples(clips, pipeline, QUICK)


def test_a_view_is_what_splatting_gives(clips: list[Clip]) -> None:
    pipe = MGGTalkPipeline.from_pretrained(prior=True)
    clip = clips[0]
    avatar = hide_mouth(clip.avatar(clip.sources[0]))
    viewer = MouthViewer(pipe, avatar, 256, 64)
    image, head = clip.frame(clip.sources[0]), clip.head(clip.sources[0])
    assert clip.side == 256 and clip.motion.landmarks is not None
    view = viewer.view(avatar.source, image, head, clip.motion.landmarks[clip.sources[0], :, :2])
    assert view is not None
    views = stack([view])
    with torch.no_grad():
        pipe.sgp.mouth_decoder.unet.last.bias.copy_(torch.tensor((0.3, -0.2, 0.1)))
        made = views.painted(pipe.sgp.mouth_decoder.unet(views.inputs, views.expression))[0]
        animator = pipe.animator(avatar, 256)
        corner = _corner(clip, 64)
        splats = animator.splats(avatar.expression)
        drawn = rasterize(splats, viewer._camera(avatar.source, *corner))
    drawn_image = shrink(drawn.image.permute(2, 0, 1), animator.oversampling)
    assert (views.base[0] - made).abs().max() > 0.05  # the paint shows
    assert (drawn_image - made).abs().mean() < 1e-3
    assert (drawn_image - made).abs().max() < 0.02


def test_a_view_shows_the_real_mouth_where_the_portrait_had_one(samples: MouthSamples) -> None:
    views = samples.draw(0).views
    inside = (views.share > 0.9) & (views.head > 0.9)
    assert inside.any()
    # The smile's teeth are brighter than what stands for them once they are hidden.
    real, invented = (picture.mean(1, keepdim=True)[inside].mean() for picture in (views.truth, views.base))
    assert real > invented + 0.03


def test_samples_depend_on_the_index_alone(samples: MouthSamples, clips: list[Clip], pipeline: MGGTalkPipeline) -> None:
    first = samples.draw(3)
    samples.draw(4)
    again = MouthSamples(clips, pipeline, QUICK).draw(3)
    assert all(torch.equal(old, new) for old, new in zip(first.views, again.views))
    assert not torch.equal(first.views.expression, samples.draw(4).views.expression)


def test_a_mirrored_view_is_painted_with_mirrored_colours(samples: MouthSamples) -> None:
    views = samples.draw(0).views
    paint = torch.rand(views.inputs[:, :3].shape, generator=torch.Generator().manual_seed(0))
    mirrored = views.mirrored()
    assert torch.allclose(mirrored.painted(paint.flip(-1)), views.painted(paint).flip(-1), atol=1e-5)
    twice = mirrored.mirrored()
    assert all(torch.equal(old, new) for old, new in zip(views, twice))


def test_a_run_learns_and_its_weights_are_the_mouth_alone(clips: list[Clip], tmp_path: Path) -> None:
    pipe = MGGTalkPipeline.from_pretrained(prior=True)
    Trainer(pipe, MouthStage(pipe, clips, QUICK), tmp_path, QUICK).run()
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines[-1]["l1"] < lines[0]["l1"]
    trained = MGGTalkPipeline.from_pretrained(tmp_path / WEIGHTS)
    assert trained.sgp.trained_parts() == ["mouth_decoder"]


def test_closed_mouths_teach_nothing(clips: list[Clip], pipeline: MGGTalkPipeline, monkeypatch) -> None:
    monkeypatch.setattr("mggtalk.training.mouth.views.LEAST", 1e9)
    with pytest.raises(OptionError, match="open"):
        MouthSamples(clips, pipeline, QUICK).draw(0)
    with pytest.raises(OptionError, match="no clips"):
        MouthSamples([], pipeline, TrainConfig())


def test_hidden_sheets_are_not_looked_for(clips: list[Clip], pipeline: MGGTalkPipeline) -> None:
    """Closed lips leave the sheet out of a set of splats: what is last in it then is the back of the head."""
    clip = clips[0]
    avatar = hide_mouth(clip.avatar(clip.sources[0]))
    shut = close_lips(pipeline.face_model, avatar.identity, avatar.expression)
    frame = avatar.source._replace(expression=shut)
    landmarks = torch.zeros(478, 2) + 128.0
    viewer = MouthViewer(pipeline, avatar.with_(mouth=avatar.mouth._replace(closed_gap=torch.tensor(0.1))), 256, 256)
    assert viewer.view(frame, torch.zeros(3, 256, 256), torch.ones(1, 256, 256), landmarks) is None


def _corner(clip: Clip, side: int) -> tuple[int, int]:
    """Left and upper edge of the window around the lips of the first source."""
    from mggtalk.face.topology import LIPS

    assert clip.motion.landmarks is not None
    centre = clip.motion.landmarks[clip.sources[0], list(LIPS), :2].mean(0)
    left, top = (centre - side / 2).round().clamp(0, 256 - side).int().tolist()
    return left, top
