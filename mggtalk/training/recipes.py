"""Named training recipes, and changing single settings of them by name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from mggtalk.errors import OptionError
from mggtalk.training.config import CompletionConfig, LossConfig, PairConfig, TrainConfig, WindowConfig

SPEECH = "speech"
"""Name of the recipe of the audio prior, whose settings are its own: :mod:`mggtalk.training.speech.config`."""

Config = TypeVar("Config")

RECIPES: dict[str, TrainConfig] = {
    "paper": TrainConfig(
        steps=1_000_000,
        targets=1,
        window=WindowConfig(side=256),
        pairs=PairConfig(gap=0.0),
        colour=0.0,
    ),
    "cpu": TrainConfig(
        steps=5000,
        learning_rate=1e-3,
        warmup=100,
        ema=0.995,
        targets=3,
        train=("sgp",),
        loss=LossConfig(perceptual=0.0, lpips=0.4, mouth=4.0, eyes=2.0),
        pairs=PairConfig(gap=0.5, mouth=1.0, eyes=0.5),
    ),
    "mouth": TrainConfig(
        steps=6000,
        learning_rate=1e-3,
        warmup=100,
        ema=0.998,
        train=("mouth",),
        loss=LossConfig(lpips=0.3),
        pairs=PairConfig(gap=0.5, mouth=1.5),
    ),
    "image": TrainConfig(
        steps=20_000,
        learning_rate=1e-3,
        warmup=50,
        ema=0.998,
        save_every=100,
        train=("image_renderer",),
        pairs=PairConfig(gap=1.0, mouth=0.5, eyes=0.25),
    ),
    "gpu": TrainConfig(
        steps=100_000,
        learning_rate=5e-4,
        targets=8,
        precision="bf16",
        window=WindowConfig(side=192, mouth=0.3, eyes=0.1),
        loss=LossConfig(lpips=0.2, lpips_targets=8, mouth=2.0, eyes=2.0),
        pairs=PairConfig(gap=1.0, mouth=0.5, eyes=0.25),
    ),
    "gpu-image": TrainConfig(
        steps=100_000,
        learning_rate=5e-4,
        precision="bf16",
        picture=512,
        train=("image_renderer",),
        pairs=PairConfig(gap=1.0, mouth=0.5, eyes=0.25),
        completion=CompletionConfig(crop=256, piece=192, batch=16, neighbours=4, adversarial=0.002),
    ),
}
"""``paper``: what the paper states. ``cpu``: what two cores learn most from in an hour. ``gpu``: the same, at length.
``mouth``: only the colours of the sheet behind the lips, without splatting; the embedded weights are made by it.
``image``: the image network, from layers that are drawn once into the run's folder. ``gpu-image``: the same at 512
pixels with a critic, for the configuration ``paper``. Both come after the others, on their result.
"""


def recipe(name: str, changes: Iterable[str] = ()) -> TrainConfig:
    """A recipe with some settings changed.

    Args:
        name: Of :data:`RECIPES`.
        changes: ``NAME=VALUE``, where the name may have parts (``loss.lpips``) and the value is JSON or a word.

    Raises:
        OptionError: If a name or a value does not fit.
    """
    if name not in RECIPES:
        raise OptionError(f"There is no recipe named {name!r}.", f"Choose one of {', '.join((*RECIPES, SPEECH))}.")
    return changed(RECIPES[name], changes)


def changed(config: Config, changes: Iterable[str]) -> Config:
    """A frozen configuration with some settings changed, see :func:`recipe`.

    Raises:
        OptionError: If a name or a value does not fit.
    """
    for change in changes:
        path, separator, text = change.partition("=")
        if not separator:
            raise OptionError(f"The setting {change!r} has no value.", "Write it as NAME=VALUE.")
        config = _change(config, path.split("."), _value(text), change)
    return config


def _change(config: Any, path: list[str], value: Any, change: str) -> Any:
    """A configuration with one setting replaced."""
    names = [entry.name for entry in dataclasses.fields(config)]
    if path[0] not in names:
        raise OptionError(f"There is no setting {change.partition('=')[0]!r}.", f"Choose among {', '.join(names)}.")
    old = getattr(config, path[0])
    if dataclasses.is_dataclass(old) and len(path) > 1:
        return dataclasses.replace(config, **{path[0]: _change(old, path[1:], value, change)})
    if isinstance(old, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(old) or len(path) > 1:
        raise OptionError(f"The setting {change!r} does not fit.", f"It is {old!r} by default.")
    return dataclasses.replace(config, **{path[0]: value})


def _value(text: str) -> Any:
    """JSON, with lists as tuples, or the word itself."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value
