"""Norms: x is [tokens, values], or [tokens, heads, values] for norms of each head."""

import numpy as np


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(epsilon)) * weight


def named_layer_norm(file, name, x):
    """LayerNorm by the weight and bias of that name in the file."""
    epsilon = file.number("attention.layer_norm_epsilon")
    return layer_norm(x, file.rows(f"{name}.weight"), file.rows(f"{name}.bias"), epsilon)


def layer_norm(x, weight, bias, epsilon):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + x.dtype.type(epsilon)) * weight + bias
