"""gpt2: learned positions, LayerNorms, a bias in every linear but the head."""

import numpy as np
from activations import gelu
from attention import grouped_attention, linear
from norms import named_layer_norm
from skeleton import head


def forward(file, ids):
    x = file.rows("token_embd.weight", np.array(ids)) + file.rows("position_embd.weight")[: len(ids)]
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = named_layer_norm(file, f"{block}attn_norm", x)
        x = x + linear(file, f"{block}attn_output", grouped_attention(file, block, a, None, None))
        u = gelu(linear(file, f"{block}ffn_up", named_layer_norm(file, f"{block}ffn_norm", x)))
        x = x + linear(file, f"{block}ffn_down", u)
    return head(file, named_layer_norm(file, "output_norm", x))
