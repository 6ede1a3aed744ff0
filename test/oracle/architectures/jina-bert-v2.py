"""jina-bert-v2: ALiBi to both sides, and a network with a gate, beside the rows of the other half, or without one."""

import numpy as np
from activations import gelu_erf
from encoder import embed, gelu_feed_forward, layers_behind
from feed_forward import fused_gated, gated


def feed_forward(file, block, m):
    if f"{block}ffn_gate.weight" in file.tensors:
        return gated(file, block, m, gelu_erf)
    is_fused = len(file.tensors[f"{block}ffn_up.weight"].data) == 2 * file.number("feed_forward_length")
    return fused_gated(file, block, m, gelu_erf) if is_fused else gelu_feed_forward(file, block, m)


def slopes(heads, most):
    """As Press et al. have them: of a power of 2 heads a geometric row, and between its terms those of other heads."""
    power = 2 ** int(np.log2(heads))
    first = [2 ** (-most * (h + 1) / power) for h in range(power)]
    return np.array(first + [2 ** (-most * (2 * h + 1) / (2 * power)) for h in range(heads - power)])


def encode(file, ids):
    at = np.arange(len(ids))
    distance = np.abs(np.subtract.outer(at, at))
    most = file.number("attention.max_alibi_bias", 8.0)
    bias = -slopes(file.number("attention.head_count"), most)[:, None, None] * distance
    return layers_behind(file, embed(file, ids), feed_forward, bias=bias)
