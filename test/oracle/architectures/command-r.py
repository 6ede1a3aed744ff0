"""command-r: one LayerNorm without bias before two parallel branches, and logits that are multiplied.

From 64 layers on each head of q and k has a LayerNorm with a weight of its own.
"""

from attention import attend, projections
from norms import layer_norm
from parallel import decoder

NORMED_FROM = 64


def attention(file, block, a, rope):
    q, k, v = projections(file, block, a)
    if file.number("block_count") >= NORMED_FROM:
        epsilon = file.number("attention.layer_norm_epsilon")
        weights = (file.rows(f"{block}attn_{name}_norm.weight") for name in "qk")
        q, k = (layer_norm(y, weight.reshape(y.shape[1:]), 0, epsilon) for y, weight in zip((q, k), weights))
    return attend(rope(q), rope(k), v)


forward = decoder(attention)
