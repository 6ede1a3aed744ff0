"""gemma3n: four streams that a layer predicts, computes one of and corrects, a low-rank branch, sparse gates."""

import numpy as np
from activations import gelu
from attention import linear
from layer_inputs import SharingAttention, added_input, layer_inputs
from norms import rms_norm
from skeleton import head


def length(x):
    return np.sqrt(np.mean(x * x, axis=-1, keepdims=True))


def sparse(gate, multiple):
    """What lies above the mean by so many deviations, less the bound."""
    bound = gate.mean(axis=-1, keepdims=True) + multiple * gate.std(axis=-1, keepdims=True)
    return np.maximum(gate - bound, 0)


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")

    def norm(name, x):
        return rms_norm(x, file.rows(f"{name}.weight"), epsilon)

    def choice(block, v):
        return np.tanh(linear(file, f"{block}altup_router", norm(f"{block}altup_router_norm", v) / v.shape[1]))

    first = file.rows("token_embd.weight", np.array(ids))
    first = first * first.dtype.type(np.sqrt(first.shape[1]))
    inputs = layer_inputs(file, ids, first)
    others = [first @ matrix.T for matrix in file.rows("altup_proj.weight")]
    x = np.stack([first, *(y * length(first) / length(y) for y in others)])
    attention = SharingAttention(file)
    multiples = file.number("activation_sparsity_scale")
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        coefficients = linear(file, f"{block}altup_predict_coef", choice(block, x[0])).reshape(len(ids), 4, 4)
        y = x + np.einsum("tjk,ktn->jtn", coefficients, x)
        a = norm(f"{block}attn_norm", y[0])
        low = linear(file, f"{block}laurel_r", linear(file, f"{block}laurel_l", a))
        laurel = a + norm(f"{block}laurel_post_norm", low)
        mixed = norm(f"{block}post_attention_norm", attention(layer, a)) + y[0]
        z = (mixed + laurel) / np.sqrt(2)
        m = norm(f"{block}ffn_norm", z)
        gate = linear(file, f"{block}ffn_gate", m)
        if multiples[layer] > 0:
            gate = sparse(gate, multiples[layer])
        made = linear(file, f"{block}ffn_down", gelu(gate) * linear(file, f"{block}ffn_up", m))
        f = norm(f"{block}post_ffw_norm", made) + z
        correct = linear(file, f"{block}altup_correct_coef", choice(block, f)) + 1
        x = y + correct.T[:, :, None] * (f - y[0])
        x[1:] += added_input(file, block, x[0] * file.rows(f"{block}altup_correct_scale.weight"), inputs[layer])
    others = [stream @ matrix.T for stream, matrix in zip(x[1:], file.rows("altup_unembd_proj.weight"))]
    merged = (x[0] + sum(y * length(x[0]) / length(y) for y in others)) / 4
    cap = file.number("final_logit_softcapping", 30.0)
    return cap * np.tanh(head(file, norm("output_norm", merged)) / cap)
