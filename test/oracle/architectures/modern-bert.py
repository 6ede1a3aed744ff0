"""modern-bert: norms before the branches; every third layer, from the first on, sees all, and others half a window."""

import numpy as np
from activations import gelu_erf
from attention import linear, projections
from encoder import attend_within, norm
from feed_forward import fused_gated, silu
from rotation import Rope


def encode(file, ids):
    activation = silu if file.number("hidden_activation", "gelu") == "silu" else gelu_erf
    x = norm(file, "token_embd_norm", file.rows("token_embd.weight", np.array(ids)))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = norm(file, f"{block}attn_norm", x) if layer else x
        q, k, v = projections(file, block, a)
        local = layer % 3 != 0
        rope = Rope(file, q.shape[2], local=local)
        reach = file.number("attention.sliding_window") // 2 if local else 0
        x = x + linear(file, f"{block}attn_output", attend_within(rope(q), rope(k), v, reach=reach))
        x = x + fused_gated(file, block, norm(file, f"{block}ffn_norm", x), activation)
    return norm(file, "output_norm", x)
