"""mpt: ALiBi for positions, or learned ones; norms of whole rows of q and k; GELU by erf."""

import numpy as np
from activations import gelu_erf
from feed_forward import plain
from layer_norms import decoder
from norms import layer_norm


def norm(file, name, x):
    """LayerNorm, whose bias may be missing."""
    bias = file.optional(f"{name}.bias")
    epsilon = file.number("attention.layer_norm_epsilon")
    return layer_norm(x, file.rows(f"{name}.weight"), 0 if bias is None else bias, epsilon)


def embed(file, ids):
    x = file.rows("token_embd.weight", np.array(ids))
    positions = file.optional("position_embd.weight")
    return x if positions is None else x + positions[: len(ids)]


def finish(file, block, q, k):
    if f"{block}attn_q_norm.weight" not in file.tensors:
        return q, k
    pairs = ((q, "q"), (k, "k"))
    return tuple(norm(file, f"{block}attn_{name}_norm", y.reshape(len(y), -1)).reshape(y.shape) for y, name in pairs)


def feed_forward(file, block, m):
    return plain(file, block, m, gelu_erf)


def most(file):
    return file.number("attention.max_alibi_bias", 0.0)


forward = decoder(feed_forward, embed=embed, norm=norm, most=most, finish=finish)
