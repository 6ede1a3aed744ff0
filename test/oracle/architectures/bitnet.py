"""bitnet: llama with a norm before the last matrix of each half, and a scale of each matrix."""

import numpy as np
from attention import attend
from feed_forward import silu
from norms import rms_norm
from rotation import Rope
from skeleton import head


def scaled(file, name, x):
    """The product with a matrix, times its scale where it has one."""
    scale = file.optional(f"{name}.scale")
    out = x @ file.rows(f"{name}.weight").T
    return out if scale is None else out * scale[0]


def decoder(activation):
    def forward(file, ids):
        epsilon = file.number("attention.layer_norm_rms_epsilon")
        heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
        rope = Rope(file, file.number("attention.key_length"))
        x = file.rows("token_embd.weight", np.array(ids))
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
            q = scaled(file, f"{block}attn_q", a).reshape(len(a), heads, -1)
            k, v = (scaled(file, f"{block}attn_{name}", a).reshape(len(a), kv_heads, -1) for name in "kv")
            mixed = rms_norm(attend(rope(q), rope(k), v), file.rows(f"{block}attn_sub_norm.weight"), epsilon)
            x = x + scaled(file, f"{block}attn_output", mixed)
            m = rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon)
            made = activation(scaled(file, f"{block}ffn_gate", m)) * scaled(file, f"{block}ffn_up", m)
            made = rms_norm(made, file.rows(f"{block}ffn_sub_norm.weight"), epsilon)
            x = x + scaled(file, f"{block}ffn_down", made)
        return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))

    return forward


forward = decoder(silu)
