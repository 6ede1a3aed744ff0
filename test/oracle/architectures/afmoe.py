"""afmoe: norms on both sides of both halves, gates behind attention, and windows, whose layers alone turn."""

from functools import partial

import numpy as np
from attention import grouped_attention, linear
from feed_forward import dense_or_experts
from skeleton import decoder, windows


def attention(file, block, a, epsilon, rope, *, window=0):
    mixed = grouped_attention(file, block, a, epsilon, rope if window else None, window=window, head_norms=True)
    return mixed / (1 + np.exp(-linear(file, f"{block}attn_gate", a)))


forward = decoder(
    partial(dense_or_experts, otherwise=2),
    attention=attention,
    sandwich=True,
    local=windows(4),
    embedding_scale=lambda file: np.sqrt(file.number("embedding_length")),
)
