"""What encoder-decoders share: two stacks of layers, of which the second attends to the first one's rows."""

import numpy as np
from attention import linear
from norms import rms_norm


def attend(q, k, v, scale, bias=None, causal=False):
    """Attention of q [queries, heads, size] over k and v [keys, kv heads, size]; `bias` [heads, queries, keys]."""
    k, v = (np.repeat(y, q.shape[1] // y.shape[1], axis=1) for y in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) * q.dtype.type(scale)
    if bias is not None:
        scores = scores + bias
    if causal:
        scores[:, np.triu(np.ones(scores.shape[1:], dtype=bool), 1)] = -np.inf
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v).reshape(q.shape[0], -1)


class Stacks:
    """The layers of a file. `feed_forward(name, m)`; `turn(q or k)` or `bias(name, tokens)` says where tokens stand."""

    def __init__(self, file, scale, feed_forward, turn=None, bias=None):
        self.file = file
        self.scale = scale
        self.feed_forward = feed_forward
        self.turn = turn or (lambda x: x)
        self.bias = bias or (lambda stack, layer, tokens: None)

    def norm(self, name, x):
        return rms_norm(x, self.file.rows(f"{name}.weight"), self.file.number("attention.layer_norm_rms_epsilon"))

    def heads(self, name, x):
        size = self.file.number("attention.key_length")
        return linear(self.file, name, x).reshape(len(x), -1, size)

    def layer(self, stack, index, x, causal, source=None):
        block = f"{stack}.blk.{index}."
        a = self.norm(f"{block}attn_norm", x)
        q, k, v = (self.heads(f"{block}attn_{name}", a) for name in "qkv")
        bias = self.bias(stack, index, len(x))
        mixed = attend(self.turn(q), self.turn(k), v, self.scale, bias, causal)
        x = x + linear(self.file, f"{block}attn_o", mixed)
        if source is not None:
            q = self.heads(f"{block}cross_attn_q", self.norm(f"{block}cross_attn_norm", x))
            k, v = (self.heads(f"{block}cross_attn_{name}", source) for name in "kv")
            x = x + linear(self.file, f"{block}cross_attn_o", attend(q, k, v, self.scale))
        return x + self.feed_forward(block, self.norm(f"{block}ffn_norm", x))

    def encode(self, ids):
        """The rows [tokens, hidden] of a source."""
        x = self.file.rows("token_embd.weight", np.array(ids))
        for index in range(self.file.number("block_count")):
            x = self.layer("enc", index, x, causal=False)
        return self.norm("enc.output_norm", x)

    def decode(self, source, ids):
        """What the head meets, of the decoder's tokens."""
        y = self.file.rows("token_embd.weight", np.array(ids))
        for index in range(self.file.number("decoder_block_count", self.file.number("block_count"))):
            y = self.layer("dec", index, y, causal=True, source=source)
        return self.norm("dec.output_norm", y)
