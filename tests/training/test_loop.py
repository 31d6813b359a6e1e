"""Steps of the loop that all trainings share."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mggtalk.training.loop import Budget, GradientError, Loop, average_of, cosine


def test_it_descends_averages_and_ends() -> None:
    learner = nn.Linear(1, 1, bias=False)
    nn.init.constant_(learner.weight, 2.0)
    average = average_of(learner, 0.5)
    loop = Loop(torch.optim.SGD(learner.parameters(), lr=0.25), lambda _: 1.0, average=average, learner=learner)
    with torch.no_grad():  # the caller's mode is not the loop's
        norms = list(loop.run(lambda _: learner.weight.square().sum(), lambda step: step / 3))
    assert loop.step == 3 and norms == [4.0, 2.0, 1.0]
    assert learner.weight.item() == 0.25  # 2, 1, 0.5, 0.25
    assert average.module.weight.item() == 0.5 * (0.5 * 1.0 + 0.5 * 0.5) + 0.5 * 0.25


def test_each_group_has_its_rate_and_the_norm_is_clipped() -> None:
    moving, frozen = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    groups = [{"params": [moving], "lr": 1.0}, {"params": [frozen], "lr": 1.0}]
    loop = Loop(torch.optim.SGD(groups), [lambda step: 0.5**step, lambda _: 0.0], clip_norm=0.1)
    norms = list(loop.run(lambda _: 10.0 * (moving + frozen).sum(), lambda step: step / 2))
    assert norms == pytest.approx([math.sqrt(200.0)] * 2)
    assert frozen.item() == 1.0
    assert moving.item() == pytest.approx(1.0 - 0.1 * math.sqrt(0.5) * (1.0 + 0.5), abs=1e-6)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    weight = torch.ones(1, requires_grad=True)
    loop = Loop(torch.optim.Adam([weight]), lambda _: 1.0)
    with pytest.raises(GradientError, match="at step 1"):
        for _ in loop.run(lambda step: (weight * (math.nan if step else 1.0)).sum(), lambda step: step / 3):
            kept = weight.detach().clone()
    assert torch.equal(weight, kept) and loop.step == 1


def test_the_cosine_falls_from_one_to_its_floor() -> None:
    assert [cosine(0.0), cosine(0.5), cosine(1.0), cosine(2.0)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    assert cosine(1.0, floor=0.0) == pytest.approx(0.0)


def test_a_budget_is_spent_by_the_clock_or_by_steps_and_tells_all_the_same() -> None:
    by_steps = Budget(minutes=1e6, steps=4)
    assert [by_steps(step) for step in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]
    resumed = Budget(minutes=1.0, steps=1000, seconds=30.0, step=5)
    assert resumed(5) == 0.5 and resumed.seconds >= 30.0
    later = resumed(6)
    assert later >= 0.5 and resumed(6) == later
