"""gemma-embedding: gemma3's layer over whole texts; five layers of six see half a window to either side."""

import numpy as np
from attention import linear, projections
from encoder import attend_within
from feed_forward import gated_gelu
from norms import rms_norm
from rotation import Rope


def encode(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")

    def normed(name, x):
        return rms_norm(x, file.rows(f"{name}.weight"), epsilon)

    x = file.rows("token_embd.weight", np.array(ids))
    x = x * x.dtype.type(np.sqrt(x.shape[1]))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        local = layer % 6 < 5
        q, k, v = projections(file, block, normed(f"{block}attn_norm", x))
        rope = Rope(file, q.shape[2], local=local)
        q, k = rope(normed(f"{block}attn_q_norm", q)), rope(normed(f"{block}attn_k_norm", k))
        reach = file.number("attention.sliding_window") // 2 if local else 0
        mixed = linear(file, f"{block}attn_output", attend_within(q, k, v, reach=reach))
        x = x + normed(f"{block}post_attention_norm", mixed)
        x = x + normed(f"{block}post_ffw_norm", gated_gelu(file, block, normed(f"{block}ffn_norm", x)))
    return normed("output_norm", x)
