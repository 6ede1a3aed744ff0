"""The decoder of LayerNorms, whose halves stand one behind the other."""

import numpy as np
from attention import attend, distances, linear, projections
from norms import named_layer_norm
from rotation import Rope
from skeleton import head


def embed(file, ids):
    return file.rows("token_embd.weight", np.array(ids))


def decoder(feed_forward, *, embed=embed, norm=named_layer_norm, paired=False, most=None, scale=None, finish=None):
    """Its forward. `feed_forward(file, block, m)` is all of the second half, `embed(file, ids)` what the layers read.

    `most(file)`: of ALiBi's slopes, and nothing turns, be they 0 or not; `scale(size)` of scores by the size of a head;
    `finish(file, block, q, k)`: what becomes of queries and keys.
    """

    def forward(file, ids):
        size = file.number("embedding_length") // file.number("attention.head_count")
        rope = None if most else Rope(file, size, paired)
        slope = most(file) if most else 0
        bias = distances(file.number("attention.head_count"), slope, len(ids)) if slope else None
        x = embed(file, ids)
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            q, k, v = projections(file, block, norm(file, f"{block}attn_norm", x))
            if finish:
                q, k = finish(file, block, q, k)
            if rope:
                q, k = rope(q), rope(k)
            mixed = attend(q, k, v, scale=scale(size) if scale else None, bias=bias)
            x = x + linear(file, f"{block}attn_output", mixed)
            x = x + feed_forward(file, block, norm(file, f"{block}ffn_norm", x))
        return head(file, norm(file, "output_norm", x))

    return forward
