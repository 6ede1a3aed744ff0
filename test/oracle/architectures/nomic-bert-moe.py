"""nomic-bert-moe: every so many layers, beginning with the second, the network is experts without a gate."""

import numpy as np
from activations import gelu_erf
from attention import linear
from encoder import embed, gelu_feed_forward, layers_behind
from feed_forward import softmax


def feed_forward(file, block, m):
    """Σ w_e · Wdown_e gelu(Wup_e m), the w_e being chances among all experts."""
    if f"{block}ffn_gate_inp.weight" not in file.tensors:
        return gelu_feed_forward(file, block, m)
    chances = softmax(linear(file, f"{block}ffn_gate_inp", m))
    up, down = (file.rows(f"{block}ffn_{name}_exps.weight") for name in ("up", "down"))
    out = np.zeros_like(m)
    for token, row in enumerate(m):
        for e in np.argsort(-chances[token], kind="stable")[: file.number("expert_used_count")]:
            out[token] += chances[token, e] * (down[e] @ gelu_erf(up[e] @ row))
    return out


def encode(file, ids):
    return layers_behind(file, embed(file, ids), feed_forward, turned=True)
