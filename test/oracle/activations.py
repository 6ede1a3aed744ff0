"""The functions between the products of a feed-forward network."""

import math

import numpy as np


def gelu(x):
    kind = x.dtype.type
    return x / 2 * (1 + np.tanh(kind(np.sqrt(2 / np.pi)) * (x + kind(0.044715) * x**3)))


def gelu_erf(x):
    return (x / 2 * (1 + np.vectorize(math.erf)(x.astype(np.float64) / np.sqrt(2)))).astype(x.dtype)
