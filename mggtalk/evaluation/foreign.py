"""Metrics that need networks of others: which are asked for, what could be had, and why the rest is not given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mggtalk.errors import OptionError, WeightsMissingError
from mggtalk.evaluation.fid import InceptionDistance
from mggtalk.evaluation.identity import SFACE, SFace
from mggtalk.evaluation.inception import INCEPTION, Inception

FID = "FID"


class Foreign(NamedTuple):
    """A metric that can be asked for."""

    name: str  # in a report
    title: str  # of its network
    load: Callable[[], Any]  # the network, or WeightsMissingError


FOREIGN = {
    "fid": Foreign(FID, INCEPTION.title, Inception.load),
    "csim": Foreign("CSIM (SFace)", SFACE.title, SFace.load),
}
"""Choices, by the name of the command line."""

NOWHERE = {"LSE-C": "weights SyncNet (syncnet_v2) missing", "LSE-D": "weights SyncNet (syncnet_v2) missing"}
"""Metrics of lips and sound whose network no package carries."""


class Judges(NamedTuple):
    """The networks that could be had."""

    identity: SFace | None = None
    fid: InceptionDistance | None = None


NOBODY = Judges()
"""No network at all."""


def load_judges(asked: Iterable[str], heard: bool) -> tuple[Judges, dict[str, str]]:
    """Load the networks of the metrics that are asked for.

    Args:
        asked: From :data:`FOREIGN`.
        heard: Sound drives, so that metrics of lips and sound would make sense.

    Returns:
        The networks, and the name of every metric that is not computed with the reason.

    Raises:
        OptionError: If a metric is not known.
    """
    wanted = set(asked)
    if unknown := wanted - FOREIGN.keys():
        raise OptionError(f"The metrics {sorted(unknown)} are not known.", f"Choose from {', '.join(FOREIGN)}.")
    networks: dict[str, Any] = {}
    not_computed = {}
    for metric, (name, title, load) in FOREIGN.items():
        if metric not in wanted:
            not_computed[name] = f"not computed: weights {title} not asked for (--metrics {metric})"
            continue
        try:
            networks[metric] = load()
        except WeightsMissingError as error:
            not_computed[name] = f"not computed: {error}"
    if heard:
        not_computed |= {name: f"not computed: {why}" for name, why in NOWHERE.items()}
    fid = InceptionDistance(networks["fid"]) if "fid" in networks else None
    return Judges(networks.get("csim"), fid), not_computed
