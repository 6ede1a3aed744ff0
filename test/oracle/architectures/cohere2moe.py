"""cohere2moe: parallel branches; the first of four layers sees all; experts and shared ones count half each."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import experts, gated, gating_of, shared_expert
from norms import layer_norm, rms_norm
from rotation import Rope
from skeleton import head


def feed_forward(file, block, a):
    if f"{block}ffn_gate_inp.weight" not in file.tensors:
        return gated(file, block, a)
    routed = experts(file, block, a, gating=gating_of(file, 2), normalised=file.number("expert_weights_norm"))
    return (routed + shared_expert(file, block, a)) / 2


def forward(file, ids):
    root = file.number("attention.layer_norm_rms_epsilon")
    epsilon = root or file.number("attention.layer_norm_epsilon")

    def norm(name, x):
        weight = file.rows(f"{name}.weight")
        return rms_norm(x, weight, epsilon) if root else layer_norm(x, weight, 0, epsilon)

    rope = Rope(file, file.number("embedding_length") // file.number("attention.head_count"), paired=True)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        window = file.number("attention.sliding_window") if layer % 4 else 0
        turns = window or layer < file.number("leading_dense_block_count")
        a = norm(f"{block}attn_norm", x)
        mixed = grouped_attention(file, block, a, 0.0, rope if turns else None, window=window)
        x = x + feed_forward(file, block, a) + linear(file, f"{block}attn_output", mixed)
    return head(file, norm("output_norm", x)) * x.dtype.type(file.number("logit_scale"))
