"""smallthinker: experts of ReGLU that are chosen by what the layer reads; with windows some layers turn nothing."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import experts, gating_of
from norms import rms_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("attention.key_length"))
    window = file.number("attention.sliding_window", 0)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        read = x
        own = window if layer % 4 else 0
        a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        mixed = grouped_attention(file, block, a, epsilon, rope if own or not window else None, window=own)
        x = x + linear(file, f"{block}attn_output", mixed)
        m = rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon)
        x = x + experts(file, block, m, gating=gating_of(file, 1), activation=lambda y: np.maximum(y, 0), read=read)
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
