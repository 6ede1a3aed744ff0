"""eurobert: llama's layer over whole texts."""

import numpy as np
from attention import linear, projections
from encoder import attend_within
from feed_forward import gated
from norms import rms_norm
from rotation import Rope


def encode(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        q, k, v = projections(file, block, rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon))
        rope = Rope(file, q.shape[2])
        x = x + linear(file, f"{block}attn_output", attend_within(rope(q), rope(k), v))
        x = x + gated(file, block, rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon))
    return rms_norm(x, file.rows("output_norm.weight"), epsilon)
