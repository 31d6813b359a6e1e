"""Joint attention against its definition, evaluated token by token."""

from __future__ import annotations

import math

import pytest
import torch

diffusers = pytest.importorskip("diffusers")

from diffusers import UNet2DConditionModel  # noqa: E402
from diffusers.models.attention_processor import Attention  # noqa: E402

from mggtalk.depth.joint_attention import JointAttention, install_joint_attention  # noqa: E402

REAL = {
    "sample_size": 96,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 768,
    "use_linear_projection": True,
    "class_embed_type": "projection",
    "projection_class_embeddings_input_dim": 10,
}
"""The configuration of the published UNet, v1."""


def layer() -> Attention:
    torch.manual_seed(3)
    return Attention(query_dim=24, heads=3, dim_head=8, out_bias=True).eval()


def by_definition(attn: Attention, states: torch.Tensor) -> torch.Tensor:
    """Every query of an item against the tokens of its depth item, then of its normal item."""
    half, tokens, width = len(states) // 2, states.shape[1], 8
    out = torch.zeros_like(states)
    for item in range(len(states)):
        partners = [item % half, item % half + half]
        queries = attn.to_q(states[item])
        keys = torch.cat([attn.to_k(states[partner]) for partner in partners])
        values = torch.cat([attn.to_v(states[partner]) for partner in partners])
        mixed = torch.zeros(tokens, 24)
        for head in range(3):
            part = slice(head * width, (head + 1) * width)
            scores = queries[:, part] @ keys[:, part].T / math.sqrt(width)
            mixed[:, part] = torch.softmax(scores, dim=-1) @ values[:, part]
        out[item] = attn.to_out[0](mixed)
    return out


@torch.no_grad()
def test_equals_its_definition_and_not_independent_attention() -> None:
    attn = layer()
    states = torch.randn(4, 7, 24, generator=torch.Generator().manual_seed(1))
    independent = attn(states)
    attn.set_processor(JointAttention())
    joint = attn(states)
    assert (joint - by_definition(attn, states)).abs().max() < 1e-5
    assert (joint - independent).abs().max() > 0.05


@torch.no_grad()
def test_depth_sees_its_own_normals_and_no_other_picture() -> None:
    attn = layer()
    attn.set_processor(JointAttention())
    states = torch.randn(4, 7, 24, generator=torch.Generator().manual_seed(1))
    before = attn(states)
    changed = states.clone()
    changed[2] += 1.0  # the normals of the first picture
    moved = (attn(changed) - before).abs().amax(dim=(1, 2))
    assert moved[0] > 1e-3 and moved[2] > 1e-3
    assert moved[1] == 0 and moved[3] == 0


def test_odd_batches_contexts_and_masks_are_refused() -> None:
    attn, states = layer(), torch.zeros(2, 5, 24)
    with pytest.raises(ValueError, match="depth and normals"):
        JointAttention()(attn, states[:1])
    with pytest.raises(ValueError, match="neither"):
        JointAttention()(attn, states, encoder_hidden_states=states)


def test_the_published_configuration_has_the_published_size_and_sixteen_joint_layers() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**REAL)
    assert sum(weight.numel() for weight in unet.parameters()) == 861_186_244
    assert unet.class_embedding.linear_1.weight.shape == (1280, 10)
    assert install_joint_attention(unet) == 16
    joint = {name for name, processor in unet.attn_processors.items() if isinstance(processor, JointAttention)}
    assert len(joint) == 16 and all(name.endswith("attn1.processor") for name in joint)
    assert "mid_block.attentions.0.transformer_blocks.0.attn1.processor" in joint
    assert len(unet.attn_processors) == 32
