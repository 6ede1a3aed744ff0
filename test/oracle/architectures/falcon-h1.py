"""falcon-h1: attention and Mamba-2 side by side."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import gated
from norms import rms_norm
from recurrent import mamba2
from rotation import Rope
from skeleton import head


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("attention.key_length"), paired=False)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        y = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        attended = linear(file, f"{block}attn_output", grouped_attention(file, block, y, epsilon, rope))
        x = x + (attended + mamba2(file, block, y, epsilon))
        x = x + gated(file, block, rms_norm(x, file.rows(f"{block}ffn_norm"), epsilon))
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
