"""Causal attention, and what comes before it where heads share keys and values."""

import numpy as np
from norms import rms_norm


def attend(q, k, v, scale=None, window=0, cap=0.0, sinks=None, bias=None):
    """Causal attention of q [tokens, heads, key size] over k [tokens, kv heads, key size] and v […, value size].

    `window`: tokens that a token sees, with itself; `cap`: of scores; `sinks`: a score of each head without a value;
    `bias` [heads, tokens, tokens] is added to scores.
    """
    tokens = q.shape[0]
    k, v = (np.repeat(y, q.shape[1] // y.shape[1], axis=1) for y in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k, optimize=True) * q.dtype.type(scale or 1 / np.sqrt(q.shape[2]))
    if bias is not None:
        scores = scores + bias
    if cap:
        scores = cap * np.tanh(scores / cap)
    hidden = np.triu(np.ones((tokens, tokens), dtype=bool), 1)
    if window:
        hidden |= np.tril(np.ones((tokens, tokens), dtype=bool), -window)
    scores[:, hidden] = -np.inf
    if sinks is not None:
        scores = np.concatenate([scores, np.broadcast_to(sinks[:, None, None], (*scores.shape[:2], 1))], axis=-1)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores[..., :tokens], v, optimize=True).reshape(tokens, -1)


def slopes(heads, most):
    """As Press et al. have them: of a power of 2 heads a geometric row, and between its terms those of other heads."""
    power = 2 ** int(np.log2(heads))
    first = [2 ** (-most * (h + 1) / power) for h in range(power)]
    return np.array(first + [2 ** (-most * (2 * h + 1) / (2 * power)) for h in range(heads - power)])


def distances(heads, most, tokens):
    """ALiBi's bias of scores [heads, tokens, tokens]."""
    at = np.arange(tokens)
    return -slopes(heads, most)[:, None, None] * np.abs(np.subtract.outer(at, at))


def linear(file, name, x):
    """The product with a matrix of the file, and its bias where it has one."""
    bias = file.optional(f"{name}.bias")
    out = x @ file.rows(f"{name}.weight").T
    return out if bias is None else out + bias


def projections(file, block, a):
    """q [tokens, heads, size], k and v [tokens, kv heads, size]: of matrices of their own, or of one."""
    tokens = a.shape[0]
    layer = int(block.split(".")[1])
    heads = file.number_of("attention.head_count", layer)
    kv_heads = file.number_of("attention.head_count_kv", layer, heads)
    size = file.number("attention.key_length", file.number("embedding_length") // heads)
    value = file.number("attention.value_length", size)
    if f"{block}attn_qkv.weight" in file.tensors:
        parts = np.split(linear(file, f"{block}attn_qkv", a), np.cumsum([heads * size, kv_heads * size]), axis=1)
    else:
        parts = [linear(file, f"{block}attn_{name}", a) for name in "qkv"]
    limit = file.number("attention.clamp_kqv", 0.0)
    if limit:
        parts = [np.clip(part, -limit, limit) for part in parts]
    return tuple(part.reshape(tokens, count, -1) for part, count in zip(parts, (heads, kv_heads, kv_heads)))


def grouped_attention(
    file, block, a, epsilon, rope, *, head_norms=False, norms_behind=False, row_norms=False, **options
):
    """Query heads share key and value heads in groups; biases of q, k and v are added where the file has them.

    `rope` turns heads, None: nothing does; `head_norms`: each head is normed before, `norms_behind`: behind it,
    `row_norms`: all heads of a token together before it.
    """

    def norm(q, k):
        weights = (file.rows(f"{block}attn_{name}_norm.weight") for name in "qk")
        return tuple(rms_norm(y, weight, epsilon) for y, weight in zip((q, k), weights))

    q, k, v = projections(file, block, a)
    if row_norms:
        shapes = q.shape, k.shape
        rows = norm(*(y.reshape(len(y), -1) for y in (q, k)))
        q, k = (y.reshape(shape) for y, shape in zip(rows, shapes))
    if head_norms:
        q, k = norm(q, k)
    if rope:
        q, k = rope(q), rope(k)
    if norms_behind:
        q, k = norm(q, k)
    return attend(q, k, v, **options)
