"""RoPE: turns pairs of values by the position of their token."""

import numpy as np


def rope(x, theta, paired, factors=None):
    """Rotates x [tokens, heads, size] by its position; `paired`: dimensions (2i, 2i+1), otherwise (i, i + size/2)."""
    tokens, _, size = x.shape
    frequencies = theta ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    if factors is not None:
        frequencies = frequencies / factors.astype(np.float64)
    angles = np.outer(np.arange(tokens), frequencies)[:, None, :]
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    first = x[..., 0::2] if paired else x[..., : size // 2]
    second = x[..., 1::2] if paired else x[..., size // 2 :]
    out = np.empty_like(x)
    turned = (first * cos - second * sin, first * sin + second * cos)
    if paired:
        out[..., 0::2], out[..., 1::2] = turned
    else:
        out[..., : size // 2], out[..., size // 2 :] = turned
    return out


def partial_rope(x, turned, theta, paired):
    """Rotates the first `turned` values of each head of x, and leaves the rest."""
    return np.concatenate([rope(x[..., :turned], theta, paired), x[..., turned:]], axis=-1)
