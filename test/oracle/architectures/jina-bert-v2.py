"""jina-bert-v2: ALiBi to both sides, and a network with a gate, beside the rows of the other half, or without one."""

from activations import gelu_erf
from attention import distances
from encoder import embed, gelu_feed_forward, layers_behind
from feed_forward import fused_gated, gated


def feed_forward(file, block, m):
    if f"{block}ffn_gate.weight" in file.tensors:
        return gated(file, block, m, gelu_erf)
    is_fused = len(file.tensors[f"{block}ffn_up.weight"].data) == 2 * file.number("feed_forward_length")
    return fused_gated(file, block, m, gelu_erf) if is_fused else gelu_feed_forward(file, block, m)


def encode(file, ids):
    most = file.number("attention.max_alibi_bias", 8.0)
    bias = distances(file.number("attention.head_count"), most, len(ids))
    return layers_behind(file, embed(file, ids), feed_forward, bias=bias)
