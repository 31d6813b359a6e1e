"""GeoWizard's one difference from a stock diffusion UNet: depth and normals look at each other in self-attention.

The two tasks travel in one batch, all depth maps first, then all normal maps. Every self-attention layer keeps each
item's own queries, but gives it the keys and values of both tasks::

    depth  n   Q_n          K, V = [depth n tokens ; normal n tokens]
    normal n   Q_n+N        K, V = [depth n tokens ; normal n tokens]

Without it the two maps are estimated apart and contradict each other, so the loader installs it on any machine.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor
from torch.nn import functional as F


class JointAttention:
    """Self-attention over the tokens of depth and normals together; takes the place of an ``Attention``'s processor."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,  # noqa: ARG002  # diffusers passes it on
        **unused: Any,  # noqa: ARG002
    ) -> Tensor:
        """Attend.

        Args:
            attn: Holds the projections.
            hidden_states: ``[2 B, N, C]``, the first half depth, the second half normals.
            encoder_hidden_states: Must be None: this is self-attention.
            attention_mask: Must be None.
            temb: Not used by blocks of this kind.
            unused: Whatever else diffusers passes on.

        Returns:
            ``[2 B, N, C]``.

        Raises:
            ValueError: If the batch has no two halves, or there is a context or a mask.
        """
        if hidden_states.ndim != 3 or len(hidden_states) % 2:
            raise ValueError(f"need [2 B, N, C] with depth and normals, got {tuple(hidden_states.shape)}")
        if encoder_hidden_states is not None or attention_mask is not None:
            raise ValueError("joint attention takes neither a context nor a mask")

        def heads(tokens: Tensor) -> Tensor:
            return tokens.unflatten(-1, (attn.heads, -1)).transpose(1, 2)  # [2 B, heads, M, C / heads]

        query = heads(attn.to_q(hidden_states))  # [2 B, heads, N, c]
        key, value = heads(pair(attn.to_k(hidden_states))), heads(pair(attn.to_v(hidden_states)))  # M = 2 N
        seen = F.scaled_dot_product_attention(query, key, value, scale=attn.scale)  # [2 B, heads, N, c]
        mixed = attn.to_out[0](seen.transpose(1, 2).flatten(2))  # [2 B, N, C]
        return attn.to_out[1](mixed)


def pair(tokens: Tensor) -> Tensor:
    """Tokens ``[2 B, N, C]`` of both tasks side by side, for each task: ``[2 B, 2 N, C]``."""
    depth, normals = tokens.chunk(2)  # [B, N, C] each
    both = torch.cat([depth, normals], dim=1)  # [B, 2 N, C]
    return torch.cat([both, both])  # [2 B, 2 N, C]


def install_joint_attention(unet: UNet2DConditionModel) -> int:
    """Make every self-attention layer of a UNet joint; cross-attention stays as it is.

    Returns:
        How many layers were changed.
    """
    own = {name for name in unet.attn_processors if name.endswith("attn1.processor")}
    unet.set_attn_processor(
        {name: JointAttention() if name in own else AttnProcessor2_0() for name in unet.attn_processors}
    )
    return len(own)
