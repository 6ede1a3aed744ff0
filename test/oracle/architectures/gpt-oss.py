"""gpt-oss: sinks in attention, a window in every other layer, clamped experts, biases everywhere."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import softmax
from norms import rms_norm
from rotation import Rope
from skeleton import head, windows

LIMIT, SLOPE = 7, 1.702


def experts(file, block, m):
    """The experts with the largest scores of each token; their weights are the softmax of these scores alone."""
    scores = linear(file, f"{block}ffn_gate_inp", m)
    names = [f"{block}ffn_{name}_exps" for name in ("gate", "up", "down")]
    gate, up, down = (file.rows(f"{name}.weight") for name in names)
    gate_bias, up_bias, down_bias = (file.rows(f"{name}.bias") for name in names)
    out = np.zeros_like(m)
    for token, row in enumerate(m):
        chosen = np.argsort(-scores[token], kind="stable")[: file.number("expert_used_count")]
        for weight, e in zip(softmax(scores[token, chosen]), chosen):
            g = np.minimum(gate[e] @ row + gate_bias[e], LIMIT)
            u = np.clip(up[e] @ row + up_bias[e], -LIMIT, LIMIT)
            out[token] += weight * (down[e] @ (g / (1 + np.exp(-SLOPE * g)) * (u + 1)) + down_bias[e])
    return out


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("attention.key_length"))
    window = windows(2)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        sinks = file.rows(f"{block}attn_sinks.weight")
        mixed = grouped_attention(file, block, a, epsilon, rope, window=window(file, layer)[0], sinks=sinks)
        x = x + linear(file, f"{block}attn_output", mixed)
        x = x + experts(file, block, rms_norm(x, file.rows(f"{block}post_attention_norm.weight"), epsilon))
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
