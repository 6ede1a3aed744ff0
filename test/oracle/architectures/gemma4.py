"""gemma4: inputs of layers, keys of layers before, head sizes by kind of layer, experts beside the dense network."""

import numpy as np
from activations import gelu
from feed_forward import gated_gelu, softmax
from layer_inputs import SharingAttention, added_input, layer_inputs
from norms import rms_norm
from skeleton import head


def experts(file, block, x, m):
    """Σ w_e · s_e · expert_e(m), chosen by scores of x by itself."""
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    scored = rms_norm(x, 1, epsilon) / np.sqrt(x.shape[1]) * file.rows(f"{block}ffn_gate_inp.scale")
    chances = softmax(scored @ file.rows(f"{block}ffn_gate_inp.weight").T)
    both, down = (file.rows(f"{block}ffn_{name}_exps.weight") for name in ("gate_up", "down"))
    scales = file.rows(f"{block}ffn_down_exps.scale")
    width = both.shape[1] // 2
    out = np.zeros_like(m)
    for token, row in enumerate(m):
        chosen = np.argsort(-chances[token], kind="stable")[: file.number("expert_used_count")]
        weights = chances[token, chosen] / chances[token, chosen].sum()
        for weight, e in zip(weights, chosen):
            made = gelu(both[e, :width] @ row) * (both[e, width:] @ row)
            out[token] += weight * scales[e] * (down[e] @ made)
    return out


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")

    def norm(name, x):
        return rms_norm(x, file.rows(f"{name}.weight"), epsilon)

    x = file.rows("token_embd.weight", np.array(ids))
    x = x * x.dtype.type(np.sqrt(x.shape[1]))
    inputs = layer_inputs(file, ids, x)
    attention = SharingAttention(file)
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        x = x + norm(f"{block}post_attention_norm", attention(layer, norm(f"{block}attn_norm", x)))
        f = gated_gelu(file, block, norm(f"{block}ffn_norm", x))
        if f"{block}ffn_gate_inp.weight" in file.tensors:
            given = experts(file, block, x, norm(f"{block}pre_ffw_norm_2", x))
            f = norm(f"{block}post_ffw_norm_1", f) + norm(f"{block}post_ffw_norm_2", given)
        x = x + norm(f"{block}post_ffw_norm", f)
        if inputs is not None:
            x = x + added_input(file, block, x, inputs[layer])
        x = x * file.rows(f"{block}layer_output_scale.weight")
    cap = file.number("final_logit_softcapping")
    return cap * np.tanh(head(file, norm("output_norm", x)) / cap)
