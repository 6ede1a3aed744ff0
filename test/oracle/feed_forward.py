"""Feed-forward networks."""

import numpy as np
from activations import gelu
from attention import linear


def silu(x):
    return x / (1 + np.exp(-x))


def gated(file, block, m, activation=silu):
    """Wdown · (f(Wgate m) ⊙ Wup m)"""
    gate, up = (linear(file, f"{block}ffn_{name}", m) for name in ("gate", "up"))
    return linear(file, f"{block}ffn_down", activation(gate) * up)


def gated_gelu(file, block, m):
    return gated(file, block, m, gelu)


def relu_squared(file, block, m):
    return linear(file, f"{block}ffn_down", np.maximum(linear(file, f"{block}ffn_up", m), 0) ** 2)


def fused_gated(file, block, m, activation=silu):
    """As `gated`, with gate and up in one matrix."""
    gate, up = np.split(linear(file, f"{block}ffn_up", m), 2, axis=1)
    return linear(file, f"{block}ffn_down", activation(gate) * up)


def experts(file, block, m, *, normalised=True, gating="softmax", activation=silu):
    """Σ w_e · expert_e(m) over the experts with the largest scores of each token."""
    used = file.number("expert_used_count")
    scores = linear(file, f"{block}ffn_gate_inp", m)
    chances = 1 / (1 + np.exp(-scores)) if gating == "sigmoid" else softmax(scores)
    bias = file.optional(f"{block}exp_probs_b.bias")
    wanted = chances if bias is None else chances + bias
    gate, up, down = (file.rows(f"{block}ffn_{name}_exps.weight") for name in ("gate", "up", "down"))
    out = np.zeros_like(m)
    for token, row in enumerate(m):
        chosen = np.argsort(-wanted[token], kind="stable")[:used]
        weights = chances[token, chosen]
        if normalised:
            weights = weights / weights.sum()
        for weight, e in zip(weights * m.dtype.type(file.number("expert_weights_scale", 1.0) or 1), chosen):
            out[token] += weight * (down[e] @ (activation(gate[e] @ row) * (up[e] @ row)))
    return out


def shared_expert(file, block, m):
    """The expert that every token goes to."""
    gate, up = (linear(file, f"{block}ffn_{name}_shexp", m) for name in ("gate", "up"))
    return linear(file, f"{block}ffn_down_shexp", silu(gate) * up)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
