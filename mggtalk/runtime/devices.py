"""Devices on which frames can be made."""

from __future__ import annotations

import torch

from mggtalk.errors import OptionError


def check_device(device: torch.device | str) -> torch.device:
    """The device of a name.

    Raises:
        OptionError: If there is no such device, or not here.
    """
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise OptionError(f"There is no device {device!r}.", "Use cpu or cuda.") from error
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise OptionError(f"The device {device} is not here: {torch.cuda.device_count()} CUDA GPUs.", "Use cpu.")
    if place.type not in ("cpu", "cuda"):
        raise OptionError(f"Frames cannot be made on the device {device}.", "Use cpu or cuda.")
    return place
