"""gptneox: two LayerNorms before two branches that are parallel where the file says so; GELU by erf."""

import numpy as np
from activations import gelu_erf
from attention import grouped_attention, linear
from norms import named_layer_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    rope = Rope(file, file.number("embedding_length") // file.number("attention.head_count"))
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = named_layer_norm(file, f"{block}attn_norm", x)
        mixed = linear(file, f"{block}attn_output", grouped_attention(file, block, a, None, rope))
        y = x if file.number("use_parallel_residual") else x + mixed
        u = gelu_erf(linear(file, f"{block}ffn_up", named_layer_norm(file, f"{block}ffn_norm", y)))
        x = x + mixed + linear(file, f"{block}ffn_down", u)
    return head(file, named_layer_norm(file, "output_norm", x))
