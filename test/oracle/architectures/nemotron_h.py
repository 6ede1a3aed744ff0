"""nemotron_h: each layer is one of Mamba-2, attention without positions, and relu²."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import relu_squared
from norms import rms_norm
from recurrent import mamba2
from skeleton import head


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        y = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        if file.number_of("feed_forward_length", layer):
            x = x + relu_squared(file, block, y)
        elif file.number_of("attention.head_count_kv", layer):
            x = x + linear(file, f"{block}attn_output", grouped_attention(file, block, y, epsilon, None))
        else:
            x = x + mamba2(file, block, y, epsilon)
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
