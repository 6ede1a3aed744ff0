"""falcon: one LayerNorm, or two, before two parallel branches; GELU by erf."""

import numpy as np
from activations import gelu_erf
from attention import grouped_attention, linear
from feed_forward import plain
from norms import named_layer_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    rope = Rope(file, file.number("embedding_length") // file.number("attention.head_count"))
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        m = named_layer_norm(file, f"{block}attn_norm", x)
        second = f"{block}attn_norm_2"
        a = named_layer_norm(file, second, x) if f"{second}.weight" in file.tensors else m
        mixed = linear(file, f"{block}attn_output", grouped_attention(file, block, a, None, rope))
        x = x + (mixed + plain(file, block, m, gelu_erf))
    return head(file, named_layer_norm(file, "output_norm", x))
