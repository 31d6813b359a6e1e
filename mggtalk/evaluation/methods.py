"""From the names of the command line to methods: the prior, the trained pipeline, ablations, noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from mggtalk.config import Ablation
from mggtalk.errors import OptionError
from mggtalk.evaluation.protocol import Method
from mggtalk.evaluation.scores import PRIOR, STILL, TRAINED
from mggtalk.pipeline import MGGTalkPipeline

ABLATIONS = tuple(column.name.replace("_", "-") for column in fields(Ablation))
"""Names of what can be left out; ``all`` is each of them in turn, the rows of Table 3."""


def make_methods(
    weights: str | Path | None = None,
    prior: bool = False,
    compare: bool = False,
    ablations: Iterable[str] = (),
    noises: Iterable[float] = (),
    others: Iterable[str] = (),
    heard: bool = False,
    photos: int = 1,
) -> dict[str, Method]:
    """Methods of one run, the prior first.

    Args:
        weights: Folder or hub id of the pipeline.
        prior: The learned residuals are off in all methods.
        compare: The prior stands beside the trained pipeline.
        ablations: From :data:`ABLATIONS`; each one is a method of its own, with that part left out.
        noises: Standard deviations of noise on the driving expression; each one is a method of its own.
        others: More weights, as ``NAME=FOLDER``: such as those of an ablation that was trained by itself, whose
            configuration says what is left out.
        heard: The drivers are recordings: the learned audio prior counts as a residual as well.
        photos: From 2 on, a method that is given so many photos of the person stands beside those that have one.

    Returns:
        Name to method. A pipeline whose residuals are all zero is called what it is, the prior.

    Raises:
        OptionError: If an ablation is not known, a noise is not positive, or a name is missing or given twice.
        WeightsMissingError: If the weights are not complete.
    """
    names = list(ablations)
    if "all" in names:
        names = list(ABLATIONS)
    strengths = list(noises)
    if any(not 0 < strength < 10 for strength in strengths):
        raise OptionError(f"The noise on the expression is {strengths}.", "Give standard deviations over 0, as in 0.1.")
    folders = _named_folders(others)
    base = MGGTalkPipeline.from_pretrained(weights, prior=prior)
    methods = {TRAINED if base.trained or (heard and not base.lip_prior()[0].untrained) else PRIOR: Method(base)}
    if compare and PRIOR not in methods:
        methods = {PRIOR: Method(MGGTalkPipeline.from_pretrained(weights, prior=True)), **methods}
    if photos > 1:
        methods[f"{photos} photos"] = Method(base, photos=photos)
    for name in names:
        config = Ablation.of([name]).applied(base.config)
        methods[f"w/o {name}"] = Method(MGGTalkPipeline.from_pretrained(weights, config, prior))
    for strength in strengths:
        methods[f"noise {strength:g}"] = Method(base, strength)
    for name, folder in folders.items():
        if name in (*methods, STILL):
            raise OptionError(f"The name {name!r} is taken.", "Give the other weights another name.")
        methods[name] = Method(MGGTalkPipeline.from_pretrained(folder, prior=prior))
    return methods


def _named_folders(others: Iterable[str]) -> dict[str, str]:
    """Split ``NAME=FOLDER``."""
    folders: dict[str, str] = {}
    for entry in others:
        name, _, folder = entry.partition("=")
        if not name or not folder or name in folders:
            raise OptionError(f"The other weights are {entry!r}.", "Give NAME=FOLDER, every name once.")
        folders[name] = folder
    return folders
