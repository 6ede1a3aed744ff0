"""phi2: one LayerNorm before two parallel branches, and a bias in every linear."""

import numpy as np
from activations import gelu
from attention import attend
from norms import layer_norm
from rotation import partial_rope
from skeleton import head


def forward(file, ids):
    """Attention and the feed-forward network read one LayerNorm; every linear has a bias."""
    epsilon = file.number("attention.layer_norm_epsilon")
    theta, turned = float(file.number("rope.freq_base", 10000.0)), file.number("rope.dimension_count")
    heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
    x = file.rows("token_embd.weight", np.array(ids))
    tokens = len(ids)

    def norm(y, name):
        return layer_norm(y, file.rows(f"{name}.weight"), file.rows(f"{name}.bias"), epsilon)

    def linear(y, name):
        return y @ file.rows(f"{name}.weight").T + file.rows(f"{name}.bias")

    def turn(y):
        return partial_rope(y, turned, theta, paired=False)

    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = norm(x, f"{block}attn_norm")
        q = linear(a, f"{block}attn_q").reshape(tokens, heads, -1)
        k, v = (linear(a, f"{block}attn_{name}").reshape(tokens, kv_heads, -1) for name in "kv")
        k, v = (np.repeat(y, heads // kv_heads, axis=1) for y in (turn(k), v))
        mixed = linear(attend(turn(q), k, v), f"{block}attn_output")
        x = x + (mixed + linear(gelu(linear(a, f"{block}ffn_up")), f"{block}ffn_down"))
    return head(file, norm(x, "output_norm")) + file.rows("output.bias")
