"""The decoder of one LayerNorm without bias before two parallel branches (command-r, cohere2)."""

import numpy as np
from attention import linear
from feed_forward import gated
from norms import layer_norm
from rotation import Rope
from skeleton import head


def decoder(attention):
    """Its forward; `attention(file, block, a, rope)` gives what `attn_output` reads."""

    def forward(file, ids):
        epsilon = file.number("attention.layer_norm_epsilon")
        size = file.number("embedding_length") // file.number("attention.head_count")
        rope = Rope(file, size, paired=True)
        x = file.rows("token_embd.weight", np.array(ids))
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            a = layer_norm(x, file.rows(f"{block}attn_norm.weight"), 0, epsilon)
            mixed = linear(file, f"{block}attn_output", attention(file, block, a, rope))
            x = x + mixed + gated(file, block, a)
        x = layer_norm(x, file.rows("output_norm.weight"), 0, epsilon)
        return head(file, x) * x.dtype.type(file.number("logit_scale"))

    return forward
