"""Causal attention, and what comes before it where heads share keys and values."""

import numpy as np
from norms import rms_norm
from rotation import rope


def attend(q, k, v):
    """Causal attention of q, k [tokens, heads, key size] and v [tokens, heads, value size]."""
    tokens = q.shape[0]
    scores = np.einsum("qhd,khd->hqk", q, k, optimize=True) * q.dtype.type(1 / np.sqrt(q.shape[2]))
    scores[:, np.triu(np.ones((tokens, tokens), dtype=bool), 1)] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v, optimize=True).reshape(tokens, -1)


def grouped_attention(file, block, a, epsilon, theta, *, paired=False, head_norms=False):
    """Query heads share key and value heads in groups; biases of q, k and v are added where the file has them."""
    tokens = a.shape[0]
    heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
    size = file.number("attention.key_length", file.number("embedding_length") // heads)

    def project(name, count):
        out = a @ file.rows(f"{block}{name}.weight").T
        bias = file.optional(f"{block}{name}.bias")
        return (out if bias is None else out + bias).reshape(tokens, count, size)

    q, k, v = project("attn_q", heads), project("attn_k", kv_heads), project("attn_v", kv_heads)
    if head_norms:
        q = rms_norm(q, file.rows(f"{block}attn_q_norm.weight"), epsilon)
        k = rms_norm(k, file.rows(f"{block}attn_k_norm.weight"), epsilon)
    factors = file.optional("rope_freqs.weight")
    q, k = rope(q, theta, paired, factors), rope(k, theta, paired, factors)
    group = heads // kv_heads
    return attend(q, np.repeat(k, group, axis=1), np.repeat(v, group, axis=1))
