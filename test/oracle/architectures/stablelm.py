"""stablelm: as llama with LayerNorms; where there are norms of heads each has a weight of its own, and without a second
norm the branches are parallel."""

import numpy as np
from attention import attend, linear, projections
from feed_forward import gated
from norms import layer_norm, named_layer_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    rope = Rope(file, file.number("embedding_length") // file.number("attention.head_count"))
    epsilon = file.number("attention.layer_norm_epsilon")
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = named_layer_norm(file, f"{block}attn_norm", x)
        q, k, v = projections(file, block, a)
        if f"{block}attn_q_norm.weight" in file.tensors:
            q, k = (layer_norm(y, file.rows(f"{block}attn_{name}_norm.weight"), 0, epsilon) for y, name in ((q, "q"), (k, "k")))
        mixed = linear(file, f"{block}attn_output", attend(rope(q), rope(k), v))
        if f"{block}ffn_norm.weight" in file.tensors:
            x = x + mixed
            x = x + gated(file, block, named_layer_norm(file, f"{block}ffn_norm", x))
        else:
            x = x + mixed + gated(file, block, a)
    return head(file, named_layer_norm(file, "output_norm", x))
