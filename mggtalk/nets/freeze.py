"""Networks that are used and not trained."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def freeze(network: Network) -> Network:
    """Put a network into evaluation mode and take the gradients off its parameters; returns it."""
    network.eval().requires_grad_(requires_grad=False)
    return network
