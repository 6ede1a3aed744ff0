"""deci: llama, of whose layers some have no heads, no heads of keys, or no feed-forward network."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import gated
from norms import rms_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("attention.key_length"), paired=True)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        if file.number_of("attention.head_count", layer) > 0:
            a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
            if file.number_of("attention.head_count_kv", layer) > 0:
                a = grouped_attention(file, block, a, epsilon, rope)
            x = x + linear(file, f"{block}attn_output", a)
        if file.number_of("feed_forward_length", layer) > 0:
            x = x + gated(file, block, rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon))
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
