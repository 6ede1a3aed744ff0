"""starcoder2: as llama, with LayerNorms, biases, and a feed-forward network of two matrices."""

import numpy as np
from activations import gelu
from attention import grouped_attention, linear
from norms import named_layer_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    rope = Rope(file, file.number("embedding_length") // file.number("attention.head_count"))
    window = file.number("attention.sliding_window", 0)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = named_layer_norm(file, f"{block}attn_norm", x)
        x = x + linear(file, f"{block}attn_output", grouped_attention(file, block, a, None, rope, window=window))
        u = gelu(linear(file, f"{block}ffn_up", named_layer_norm(file, f"{block}ffn_norm", x)))
        x = x + linear(file, f"{block}ffn_down", u)
    return head(file, named_layer_norm(file, "output_norm", x))
