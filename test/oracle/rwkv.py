"""What RWKV-6 and RWKV-7 share: x is [tokens, values]."""

import numpy as np
from attention import linear
from norms import named_layer_norm
from recurrent import sigmoid
from skeleton import head


def shift(x):
    """The token before, less the token itself."""
    return np.concatenate([np.zeros_like(x[:1]), x[:-1]]) - x


def head_norm(file, block, x, heads):
    """LayerNorm of each head, then one weight and one bias for all values."""
    y = x.reshape(len(x), heads, -1)
    y = y - y.mean(axis=-1, keepdims=True)
    y = y / np.sqrt((y * y).mean(axis=-1, keepdims=True) + x.dtype.type(64e-5))
    return y.reshape(x.shape) * file.rows(f"{block}time_mix_ln.weight") + file.rows(f"{block}time_mix_ln.bias")


def channel_mix(file, block, m):
    s = shift(m)
    k = m + s * file.rows(f"{block}channel_mix_lerp_k.weight").reshape(-1)
    out = linear(file, f"{block}channel_mix_value", np.maximum(linear(file, f"{block}channel_mix_key", k), 0) ** 2)
    gate = file.optional(f"{block}channel_mix_lerp_r.weight")
    if gate is None:
        return out
    return out * sigmoid(linear(file, f"{block}channel_mix_receptance", m + s * gate.reshape(-1)))


def rwkv(time_mix, rescale=None):
    """The forward of a model whose layers mix by `time_mix(file, block, a, first)`, which gives the first values too."""

    def forward(file, ids):
        x = file.rows("token_embd.weight", np.array(ids))
        x = named_layer_norm(file, "token_embd_norm", x)
        first = None
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            mixed, first = time_mix(file, block, named_layer_norm(file, f"{block}attn_norm", x), first)
            x = x + mixed
            x = x + channel_mix(file, block, named_layer_norm(file, f"{block}attn_norm_2", x))
            if rescale and (layer + 1) % rescale(file) == 0:
                x = x / 2
        return head(file, named_layer_norm(file, "output_norm", x))

    return forward
