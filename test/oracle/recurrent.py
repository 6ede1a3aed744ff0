"""Mixers that keep a state, as the papers write them: token after token. x is [tokens, values]."""

import numpy as np
from attention import grouped_attention, linear
from feed_forward import silu
from norms import rms_norm
from rotation import Rope
from skeleton import head


def convolution(file, name, x):
    """Causal depthwise convolution: the weight's rows are channels, the last of its taps meets the newest input."""
    weight = file.rows(f"{name}.weight")
    taps = weight.shape[1]
    padded = np.concatenate([np.zeros((taps - 1, x.shape[1]), x.dtype), x])
    out = sum(padded[j : j + len(x)] * weight[:, j] for j in range(taps))
    bias = file.optional(f"{name}.bias")
    return out if bias is None else out + bias


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def short_convolution(file, block, y, _epsilon):
    b, c, u = np.split(linear(file, f"{block}shortconv.in_proj", y), 3, axis=1)
    return linear(file, f"{block}shortconv.out_proj", c * convolution(file, f"{block}shortconv.conv", b * u))


def mamba(file, block, y, epsilon):
    """arXiv:2312.00752; Δ, B and C may be normed, with weights or without."""
    u, z = np.split(linear(file, f"{block}ssm_in", y), 2, axis=1)
    u = silu(convolution(file, f"{block}ssm_conv1d", u))
    rank, size = file.number("ssm.time_step_rank"), file.number("ssm.state_size")
    parts = np.split(linear(file, f"{block}ssm_x", u), [rank, rank + size], axis=1)
    for i, name in enumerate(("dt", "b", "c")):
        weight = file.optional(f"{block}ssm_{name}_norm.weight")
        if weight is not None or file.number("ssm.dt_b_c_rms", False):
            parts[i] = rms_norm(parts[i], 1 if weight is None else weight, epsilon)
    low, b, c = parts
    delta = softplus(linear(file, f"{block}ssm_dt", low))
    a, d = file.rows(f"{block}ssm_a"), file.rows(f"{block}ssm_d")
    state = np.zeros((u.shape[1], size), u.dtype)
    out = np.zeros_like(u)
    for t in range(len(u)):
        state = state * np.exp(delta[t][:, None] * a) + (delta[t] * u[t])[:, None] * b[t]
        out[t] = state @ c[t] + d * u[t]
    return linear(file, f"{block}ssm_out", out * silu(z))


def mamba2(file, block, y, epsilon):
    """arXiv:2405.21060."""
    inner, size = file.number("ssm.inner_size"), file.number("ssm.state_size")
    heads, groups = file.number("ssm.time_step_rank"), file.number("ssm.group_count")
    z, mixed, delta = np.split(linear(file, f"{block}ssm_in", y), [inner, 2 * inner + 2 * groups * size], axis=1)
    mixed = silu(convolution(file, f"{block}ssm_conv1d", mixed))
    u, b, c = np.split(mixed, [inner, inner + groups * size], axis=1)
    u = u.reshape(len(y), heads, -1)
    b, c = (np.repeat(v.reshape(len(y), groups, size), heads // groups, axis=1) for v in (b, c))
    delta = softplus(delta + file.rows(f"{block}ssm_dt.bias"))
    a, d = (file.rows(f"{block}ssm_{name}").reshape(-1) for name in "ad")
    state = np.zeros((heads, inner // heads, size), y.dtype)
    out = np.zeros_like(u)
    for t in range(len(y)):
        decay = np.exp(delta[t] * a)[:, None, None]
        state = state * decay + np.einsum("hp,hj,h->hpj", u[t], b[t], delta[t])
        out[t] = np.einsum("hpj,hj->hp", state, c[t]) + d[:, None] * u[t]
    out = out.reshape(len(y), inner) * silu(z)
    norm = file.optional(f"{block}ssm_norm.weight")
    if norm is not None:
        norm = norm.reshape(groups, -1)
        out = rms_norm(out.reshape(len(y), groups, -1), norm, epsilon).reshape(len(y), inner)
    return linear(file, f"{block}ssm_out", out)


def delta_net(file, block, y, epsilon, grouped=False):
    """arXiv:2412.06464. `grouped`: value heads stand key head by key head, and so do β and α, in one matrix."""
    size, keys, heads = (file.number(f"ssm.{name}") for name in ("state_size", "group_count", "time_step_rank"))
    u = silu(convolution(file, f"{block}ssm_conv1d", linear(file, f"{block}attn_qkv", y)))
    q, k, v = np.split(u, [keys * size, 2 * keys * size], axis=1)
    z = linear(file, f"{block}attn_gate", y).reshape(len(y), heads, size)
    if grouped:
        both = linear(file, f"{block}ssm_ba", y).reshape(len(y), keys, 2, heads // keys)
        beta, alpha = (both[:, :, i].reshape(len(y), heads) for i in range(2))
        of = np.arange(heads) // (heads // keys)
    else:
        beta, alpha = (linear(file, f"{block}ssm_{name}", y) for name in ("beta", "alpha"))
        of = np.arange(heads) % keys
    q, k = (x.reshape(len(y), keys, size)[:, of] for x in (q, k))
    q, k = (x / np.sqrt((x * x).sum(axis=-1, keepdims=True) + x.dtype.type(epsilon)) for x in (q, k))
    v = v.reshape(len(y), heads, size)
    beta = sigmoid(beta)
    decay = np.exp(softplus(alpha + file.rows(f"{block}ssm_dt.bias")) * file.rows(f"{block}ssm_a"))
    state = np.zeros((heads, size, size), y.dtype)
    out = np.zeros_like(v)
    for t in range(len(y)):
        state = state * decay[t][:, None, None]
        delta = (v[t] - np.einsum("hkv,hk->hv", state, k[t])) * beta[t][:, None]
        state = state + np.einsum("hk,hv->hkv", k[t], delta)
        out[t] = np.einsum("hkv,hk->hv", state, q[t]) / y.dtype.type(np.sqrt(size))
    out = rms_norm(out, file.rows(f"{block}ssm_norm.weight"), epsilon) * silu(z)
    return linear(file, f"{block}ssm_out", out.reshape(len(y), -1))


def hybrid(mixer, feed_forward, *, second="ffn_norm", last="output_norm", turns=True, paired=False, scales=(), **options):
    """The forward of a pre-norm decoder that attends in layers with heads of keys, and mixes by `mixer` in others.

    `feed_forward(file, block, m)` is the second half, behind the norm `second`; `scales`: of embedding, branches, logits
    and scores. `options` are those of attention.
    """

    def forward(file, ids):
        epsilon = file.number("attention.layer_norm_rms_epsilon")
        by, branch, divisor, scale = [file.number(name) for name in scales] or [1, 1, 1, None]
        size = file.number("attention.key_length", 0)
        rope = Rope(file, size, paired) if turns else None
        x = file.rows("token_embd.weight", np.array(ids))
        x = x * x.dtype.type(by)
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            y = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
            if file.number_of("attention.head_count_kv", layer, 0):
                mixed = grouped_attention(file, block, y, epsilon, rope, scale=scale, **options)
                mixed = linear(file, f"{block}attn_output", mixed)
            else:
                mixed = mixer(file, block, y, epsilon)
            x = x + x.dtype.type(branch) * mixed
            if feed_forward:
                m = rms_norm(x, file.rows(f"{block}{second}.weight"), epsilon)
                x = x + x.dtype.type(branch) * feed_forward(file, block, m)
        return head(file, rms_norm(x, file.rows(f"{last}.weight"), epsilon)) / x.dtype.type(divisor)

    return forward
