"""Checkpoints of learning a head: what was learned, and where Adam is, in one safetensors file without pickles."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mggtalk.person.talking_gaussian.config import LearnConfig
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.runtime.files import whole_file

logger = logging.getLogger(__name__)

FORMAT = "mggtalk-checkpoint-1"

EVERY = 30.0
"""Seconds from one checkpoint to the next."""

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam knows of a tensor."""


@dataclass
class Checkpoint:
    """A file from which learning goes on.

    Args:
        path: The file; it is there only while something is left to be learned.
        key: Of clip and configuration, see :func:`key_of`: a file with another one is not used.
    """

    path: Path
    key: str
    written: float = -EVERY

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self.written >= EVERY

    def write(
        self, field: TalkingGaussian, optimizer: torch.optim.Optimizer, seconds: float, losses: list[float]
    ) -> None:
        """Write the state after some seconds of learning; a half-written file never counts."""
        tensors = {f"field.{name}": value.contiguous() for name, value in field.tensors().items()}
        for name, parameter in field.named_parameters():
            for moment, value in optimizer.state.get(parameter, {}).items():
                tensors[f"adam.{name}.{moment}"] = value.contiguous()
        state = {"format": FORMAT, "key": self.key, "seconds": str(seconds), "losses": json.dumps(losses)}
        with whole_file(self.path) as partial:
            save_file(tensors, str(partial), metadata=state)
        self.written = time.monotonic()

    def read(self, field: TalkingGaussian, optimizer: torch.optim.Optimizer) -> tuple[float, list[float]]:
        """Put the state of the file into a field and its optimiser.

        Returns:
            Seconds of learning that it holds, and the losses of all steps; zero and none where there is no such file.
        """
        if not self.path.exists():
            return 0.0, []
        try:
            with safe_open(str(self.path), framework="pt") as opened:
                state = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            logger.warning("the checkpoint %s cannot be read and is not used (%s)", self.path, error)
            return 0.0, []
        if state.get("format") != FORMAT or state.get("key") != self.key:
            logger.warning("the checkpoint %s is of another clip or configuration and is not used", self.path)
            return 0.0, []
        learned = {name.removeprefix("field."): value for name, value in tensors.items() if name.startswith("field.")}
        del learned["config"]
        field.load_state_dict(learned)
        for name, parameter in field.named_parameters():
            moments = {moment: tensors.get(f"adam.{name}.{moment}") for moment in MOMENTS}
            if moments["step"] is not None:
                optimizer.state[parameter] = moments
        return float(state["seconds"]), json.loads(state["losses"])

    def remove(self) -> None:
        """Nothing is left to be learned."""
        self.path.unlink(missing_ok=True)


def key_of(frames: np.ndarray, points: Tensor, config: LearnConfig, field: TalkingGaussian) -> str:
    """What a checkpoint belongs to: the frames, the avatar's points and the settings but for the time."""
    settings = {name: value for name, value in asdict(config).items() if name not in ("minutes", "steps")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(field.config.to_json().encode())
    for part in (np.ascontiguousarray(frames), points.contiguous().numpy()):
        digest.update(part.tobytes())
    return digest.hexdigest()
