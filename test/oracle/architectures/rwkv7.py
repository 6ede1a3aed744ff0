"""rwkv7 (arXiv:2503.14456)."""

import numpy as np
from attention import linear
from recurrent import sigmoid
from rwkv import head_norm, rwkv, shift


def time_mix(file, block, a, first):
    def own(name):
        return file.rows(f"{block}time_mix_{name}.weight").reshape(-1)

    def low(name, x, between=lambda y: y):
        return between(x @ file.rows(f"{block}time_mix_{name}1.weight").T) @ file.rows(f"{block}time_mix_{name}2.weight").T

    s = shift(a)
    lerps = file.rows(f"{block}time_mix_lerp_fused.weight").reshape(6, -1)
    xr, xw, xk, xv, xa, xg = (a + s * lerp for lerp in lerps)
    r, k, v = (
        linear(file, f"{block}time_mix_{name}", x) for name, x in (("receptance", xr), ("key", xk), ("value", xv))
    )
    w = np.exp(-np.exp(a.dtype.type(-0.5)) * sigmoid(own("w0") + low("w", xw, np.tanh)))
    if first is None:
        first = v
    else:
        v = v + (first - v) * sigmoid(own("v0") + low("v", xv))
    g = low("g", xg, sigmoid)
    rate = sigmoid(own("a0") + low("a", xa))
    size = file.number("wkv.head_size")
    heads = a.shape[1] // size
    split = lambda x: x.reshape(len(x), heads, size)  # noqa: E731
    kk = split(k * own("k_k"))
    kk = kk / np.maximum(np.sqrt((kk * kk).sum(axis=-1, keepdims=True)), 1e-12)
    k = k + (rate * (k * own("k_a")) - k * own("k_a"))
    r, w, k, v, rate = (split(x) for x in (r, w, k, v, rate))
    state = np.zeros((heads, size, size), a.dtype)  # of each head value rows and key columns
    out = np.zeros_like(v)
    for t in range(len(a)):
        found = np.einsum("hij,hj->hi", state, -kk[t])
        state = (
            state * w[t][:, None, :]
            + v[t][:, :, None] * k[t][:, None, :]
            + found[:, :, None] * (kk[t] * rate[t])[:, None, :]
        )
        out[t] = np.einsum("hij,hj->hi", state, r[t])
    bonus = v * (r * k * own("r_k").reshape(heads, size)).sum(axis=-1, keepdims=True)
    o = head_norm(file, block, out.reshape(a.shape), heads) + bonus.reshape(a.shape)
    return linear(file, f"{block}time_mix_output", o * g), first


forward = rwkv(time_mix)
