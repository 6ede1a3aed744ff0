"""deepseek2: latent attention, dense layers first, then experts and shared ones beside them."""

import numpy as np
from attention import linear
from feed_forward import gated, shared_expert, silu, softmax
from latent import latent_attention, sizes
from norms import rms_norm
from rotation import Rope
from skeleton import head

SIGMOID = 2


def experts(file, block, m):
    """Experts in groups, chosen by biased gates and weighed by the gates themselves."""
    scores = linear(file, f"{block}ffn_gate_inp", m)
    sigmoid = file.number("expert_gating_func", 1) == SIGMOID
    gates = 1 / (1 + np.exp(-scores)) if sigmoid else softmax(scores)
    bias = file.optional(f"{block}exp_probs_b.bias")
    wanted = gates if bias is None else gates + bias
    groups = file.number("expert_group_count", 1)
    if groups > 1:
        grouped = wanted.reshape(len(m), groups, -1)
        worth = np.sort(grouped, axis=-1)[..., -2:].sum(axis=-1)
        best = np.argsort(-worth, axis=-1)[:, : file.number("expert_group_used_count")]
        allowed = np.zeros_like(worth, dtype=bool)
        np.put_along_axis(allowed, best, True, axis=1)
        wanted = np.where(allowed[..., None], grouped, -np.inf).reshape(wanted.shape)
    gate, up, down = (file.rows(f"{block}ffn_{name}_exps.weight") for name in ("gate", "up", "down"))
    out = np.zeros_like(m)
    for token, row in enumerate(m):
        chosen = np.argsort(-wanted[token], kind="stable")[: file.number("expert_used_count")]
        weights = gates[token, chosen]
        if file.number("expert_weights_norm", False):
            weights = weights / weights.sum()
        weights = weights * m.dtype.type(file.number("expert_weights_scale", 1.0))
        for weight, e in zip(weights, chosen):
            out[token] += weight * (down[e] @ (silu(gate[e] @ row) * (up[e] @ row)))
    return out + shared_expert(file, block, m)


def scaled(file, rope):
    """The scale of scores. With a multiplier YaRN's gain counts there, and not in cosines and sines."""
    scale = sizes(file)[0] ** -0.5
    multiplier = file.number("rope.scaling.yarn_log_multiplier", 0.0) / 0.1
    if not multiplier or file.number("rope.scaling.type") != "yarn":
        return scale
    rope.magnitude = 1.0
    return scale * (0.1 * multiplier * np.log(file.number("rope.scaling.factor")) + 1) ** 2


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("rope.dimension_count"), paired=True)
    scale = scaled(file, rope)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        x = x + linear(file, f"{block}attn_output", latent_attention(file, block, a, epsilon, rope, scale))
        m = rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon)
        dense = layer < file.number("leading_dense_block_count", 0)
        x = x + (gated(file, block, m) if dense else experts(file, block, m))
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
