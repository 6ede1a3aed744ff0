"""phimoe: LayerNorms by the ε of RMSNorm, and experts weighed by SparseMixer (arXiv:2409.12136) as it is run."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import silu
from norms import layer_norm
from rotation import Rope
from skeleton import head

REACH = 0.02  # twice the jitter of training


def choices(scores, used):
    """The experts of a token and their weights: each one's share among those left that are near it."""
    left = scores.copy()
    for _ in range(used):
        best = int(np.argmax(left))
        near = (left[best] - scores) / np.maximum(np.abs(scores), left[best]) <= REACH
        weight = 1 / np.exp(left[near] - left[best]).sum()
        left[best] = -np.inf
        yield best, weight


def experts(file, block, m):
    scores = linear(file, f"{block}ffn_gate_inp", m)
    gate, up, down = (file.rows(f"{block}ffn_{name}_exps.weight") for name in ("gate", "up", "down"))
    out = np.zeros_like(m)
    for token, row in enumerate(m):
        for e, weight in choices(scores[token], file.number("expert_used_count")):
            out[token] += weight * (down[e] @ (silu(gate[e] @ row) * (up[e] @ row)))
    return out


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")

    def norm(name, x):
        return layer_norm(x, file.rows(f"{name}.weight"), file.rows(f"{name}.bias"), epsilon)

    rope = Rope(file, file.number("embedding_length") // file.number("attention.head_count"))
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = norm(f"{block}attn_norm", x)
        x = x + linear(file, f"{block}attn_output", grouped_attention(file, block, a, None, rope))
        x = x + experts(file, block, norm(f"{block}ffn_norm", x))
    return head(file, norm("output_norm", x)) + file.rows("output.bias")
