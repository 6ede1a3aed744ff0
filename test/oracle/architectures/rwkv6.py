"""rwkv6 (arXiv:2404.05892)."""

import numpy as np
from attention import linear
from feed_forward import silu
from rwkv import head_norm, rwkv, shift


def time_mix(file, block, a, first):
    def own(name):
        return file.rows(f"{block}time_mix_{name}.weight")

    s = shift(a)
    low = np.tanh((a + s * own("lerp_x").reshape(-1)) @ own("w1").T)
    parts = np.split(low, 5, axis=1)
    lerps = own("lerp_fused").reshape(5, -1)
    xw, xk, xv, xr, xg = (a + (lerp + part @ w2.T) * s for lerp, part, w2 in zip(lerps, parts, own("w2")))
    r, k, v, g = (
        linear(file, f"{block}time_mix_{name}", x)
        for name, x in (("receptance", xr), ("key", xk), ("value", xv), ("gate", xg))
    )
    w = np.exp(-np.exp(own("decay").reshape(-1) + np.tanh(xw @ own("decay_w1").T) @ own("decay_w2").T))
    size = file.number("wkv.head_size")
    heads = a.shape[1] // size
    r, k, v, w = (x.reshape(len(x), heads, size) for x in (r, k, v, w))
    u = own("first").reshape(heads, size)
    state = np.zeros((heads, size, size), a.dtype)  # of each head key rows and value columns
    out = np.zeros_like(v)
    for t in range(len(a)):
        added = k[t][:, :, None] * v[t][:, None, :]
        out[t] = np.einsum("hi,hij->hj", r[t], state + u[:, :, None] * added)
        state = state * w[t][:, :, None] + added
    o = head_norm(file, block, out.reshape(a.shape), heads)
    return linear(file, f"{block}time_mix_output", o * silu(g)), first


forward = rwkv(time_mix, lambda file: file.number("rescale_every_n_layers"))
