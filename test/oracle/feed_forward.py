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


def plain(file, block, m, activation):
    """Wdown · f(Wup m)"""
    return linear(file, f"{block}ffn_down", activation(linear(file, f"{block}ffn_up", m)))


def fused_gated(file, block, m, activation=silu):
    """As `gated`, with gate and up in one matrix."""
    gate, up = np.split(linear(file, f"{block}ffn_up", m), 2, axis=1)
    return linear(file, f"{block}ffn_down", activation(gate) * up)


def experts(file, block, m, *, normalised=True, gating="softmax", activation=silu, read=None):
    """Σ w_e · expert_e(m) over the experts with the largest scores of each token, in the best groups of them.

    The router may `read` something else than m.
    """
    used = file.number("expert_used_count")
    scores = linear(file, f"{block}ffn_gate_inp", m if read is None else read)
    chances = 1 / (1 + np.exp(-scores)) if gating == "sigmoid" else softmax(scores)
    bias = file.optional(f"{block}exp_probs_b.bias")
    wanted = in_best_groups(file, chances if bias is None else chances + bias)
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


def in_best_groups(file, wanted):
    """−∞ for experts of groups whose two best do not add up to most (DeepSeek-V3)."""
    groups = file.number("expert_group_count", 1)
    if groups <= 1:
        return wanted
    grouped = wanted.reshape(len(wanted), groups, -1)
    worth = np.sort(grouped, axis=-1)[..., -2:].sum(axis=-1)
    best = np.argsort(-worth, axis=-1)[:, : file.number("expert_group_used_count")]
    allowed = np.zeros_like(worth, dtype=bool)
    np.put_along_axis(allowed, best, True, axis=1)
    return np.where(allowed[..., None], grouped, -np.inf).reshape(wanted.shape)


def gating_of(file, otherwise):
    """The function that makes chances of scores, by the number of the file."""
    return {1: "softmax", 2: "sigmoid"}[file.number("expert_gating_func", otherwise)]


def dense_or_experts(file, block, m, *, otherwise=1, normalised=None):
    """SwiGLU where a layer is dense, else experts, and shared ones beside them.

    Whether weights are `normalised` the file says where nobody does, and `otherwise` is the number of the gating where
    it has none.
    """
    if f"{block}ffn_gate_inp.weight" not in file.tensors:
        return gated(file, block, m)
    if normalised is None:
        normalised = file.number("expert_weights_norm", False)
    out = experts(file, block, m, gating=gating_of(file, otherwise), normalised=normalised)
    return out + shared_expert(file, block, m) if f"{block}ffn_up_shexp.weight" in file.tensors else out


def shared_expert(file, block, m):
    """The expert that every token goes to."""
    gate, up = (linear(file, f"{block}ffn_{name}_shexp", m) for name in ("gate", "up"))
    return linear(file, f"{block}ffn_down_shexp", silu(gate) * up)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
