"""What encoders share: attention of a text's tokens to each other, the BERT block, and what becomes of the last rows."""

import numpy as np
from activations import gelu_erf
from attention import linear, projections
from norms import layer_norm
from rotation import Rope


def attend_within(q, k, v, scale=None, reach=0, bias=None):
    """Attention of q [tokens, heads, size] over k and v [tokens, kv heads, size], in both directions.

    `reach`: tokens see what is at most so far away, 0: all; `bias` [heads, tokens, tokens] is added to the scores.
    """
    tokens = q.shape[0]
    k, v = (np.repeat(y, q.shape[1] // y.shape[1], axis=1) for y in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k, optimize=True) * q.dtype.type(scale or 1 / np.sqrt(q.shape[2]))
    if bias is not None:
        scores = scores + bias.astype(q.dtype)
    if reach:
        scores[:, np.abs(np.subtract.outer(np.arange(tokens), np.arange(tokens))) > reach] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v, optimize=True).reshape(tokens, -1)


def norm(file, name, x):
    """LayerNorm by the weight of that name, and its bias where the file has one."""
    weight, bias = file.rows(f"{name}.weight"), file.optional(f"{name}.bias")
    return layer_norm(x, weight, 0 if bias is None else bias, file.number("attention.layer_norm_epsilon"))


def embed(file, ids):
    """Rows of tokens, and of the part of a pair: the second begins behind the first separator."""
    x = file.rows("token_embd.weight", np.array(ids))
    types = file.optional("token_types.weight")
    if types is None:
        return x
    separator = file.value("tokenizer.ggml.seperator_token_id")
    behind = np.cumsum([0, *(np.array(ids[:-1]) == separator)]) > 0
    return x + types[np.where(behind & (len(types) > 1), 1, 0)]


def gelu_feed_forward(file, block, m):
    return linear(file, f"{block}ffn_down", gelu_erf(linear(file, f"{block}ffn_up", m)))


def layers_behind(file, x, feed_forward=gelu_feed_forward, turned=False, bias=None):
    """Layers that norm behind their sums, as BERT has them. x: the rows before them, not normed yet."""
    x = norm(file, "token_embd_norm", x)
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        q, k, v = projections(file, block, x)
        if f"{block}attn_q_norm.weight" in file.tensors:
            q, k = (
                norm(file, f"{block}attn_{name}_norm", y.reshape(len(y), -1)).reshape(y.shape)
                for name, y in (("q", q), ("k", k))
            )
        if turned:
            rope = Rope(file, q.shape[2])
            q, k = rope(q), rope(k)
        mixed = linear(file, f"{block}attn_output", attend_within(q, k, v, bias=bias))
        m = norm(file, f"{block}attn_output_norm", mixed + x)
        if f"{block}attn_norm_2.weight" in file.tensors:
            m = norm(file, f"{block}attn_norm_2", m + x)
        x = norm(file, f"{block}layer_output_norm", feed_forward(file, block, m) + m)
    return x


def vectors(file, rows, pooling=None):
    """What the file makes of the last rows [tokens, hidden] of a text: its vector, one a token, or scores."""
    numbers = ["none", "mean", "cls", "last", "rank"]
    how = numbers[file.number("pooling_type", 1) if pooling is None else pooling]
    if how == "rank":
        # The row of the first token; ModernBERT was trained with the mean.
        modern = file.architecture == "modern-bert"
        x = rows.mean(axis=0, keepdims=True) if modern else rows[:1]
        if "cls.weight" in file.tensors:
            x = linear(file, "cls", x)
            x = gelu_erf(x) if modern else np.tanh(x)
        if "cls.norm.weight" in file.tensors:
            x = norm(file, "cls.norm", x)
        return linear(file, "cls.output", x) if "cls.output.weight" in file.tensors else x
    x = {"none": rows, "mean": rows.mean(axis=0, keepdims=True), "cls": rows[:1], "last": rows[-1:]}[how]
    for name in ("dense_2", "dense_3"):
        if f"{name}.weight" in file.tensors:
            x = linear(file, name, x)
    return x
