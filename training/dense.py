"""The two dense models, PLM (MLA + ReLU²) and its llama twin, with Hugging Face's tensor names.

Weights and the residual stream are float32; matrix products and attention run in `compute` (bfloat16 in
training, float32 or float64 as an oracle). Nothing is written in place and no shape depends on data, so
that torch.compile takes the whole step.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Linear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x, compute):
        wide = x if x.dtype == torch.float64 else x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(compute)


def rotation(length, dims, theta, dtype):
    """cos and sin of position · theta^(-2i/dims), each [length, dims / 2]."""
    frequency = theta ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate_interleaved(x, cos, sin):
    """Pairs (2i, 2i+1): PLM, as stored."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def rotate_half(x, cos, sin):
    """Pairs (i, i + n/2): llama and MemoryFormer as Hugging Face stores them."""
    low, high = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), -1)


def attend(q, k, v, block=128):
    """Causal softmax attention, written out: on a CPU the compiler makes this twice as fast as the fused operator.
    A block of queries meets only the keys up to its own end, which saves three eighths of the work at 512."""
    t, scale, parts = q.shape[-2], q.shape[-1] ** -0.5, []
    for start in range(0, t, block):
        end = min(start + block, t)
        score = q[..., start:end, :] @ k[..., :end, :].transpose(-1, -2)
        score = score if score.dtype == torch.float64 else score.float()
        later = torch.arange(end, device=q.device) > torch.arange(start, end, device=q.device)[:, None]
        weight = torch.softmax((score * scale).masked_fill(later, float("-inf")), -1)
        parts.append(weight.to(v.dtype) @ v[..., :end, :])
    return torch.cat(parts, -2)


class LatentAttention(nn.Module):
    """Multi-head latent attention with full-rank q: keys and values come from one normed latent a token."""

    def __init__(self, c):
        super().__init__()
        d, heads = c["hidden_size"], c["num_attention_heads"]
        self.heads, self.nope, self.rope = heads, c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        self.value, self.rank = c["v_head_dim"], c["kv_lora_rank"]
        self.q_proj = Linear(d, heads * (self.nope + self.rope))
        self.kv_a_proj_with_mqa = Linear(d, self.rank + self.rope)
        self.kv_a_layernorm = RMSNorm(self.rank, c["rms_norm_eps"])
        self.kv_b_proj = Linear(self.rank, heads * (self.nope + self.value))
        self.o_proj = Linear(heads * self.value, d)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        q = self.q_proj(x).view(b, t, self.heads, -1).transpose(1, 2)
        q_nope, q_rope = q.split((self.nope, self.rope), -1)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split((self.rank, self.rope), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent, x.dtype)).view(b, t, self.heads, -1).transpose(1, 2)
        k_nope, v = kv.split((self.nope, self.value), -1)
        k_rope = rotate_interleaved(k_rope.unsqueeze(1), cos, sin).expand(b, self.heads, t, self.rope)
        q = torch.cat((q_nope, rotate_interleaved(q_rope, cos, sin)), -1)
        k = torch.cat((k_nope, k_rope), -1)
        y = attend(q, k, v)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class GroupedAttention(nn.Module):
    """llama's: fewer key-value heads than query heads."""

    def __init__(self, c):
        super().__init__()
        d, self.heads, self.kv = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
        self.size = c["head_dim"]
        self.q_proj = Linear(d, self.heads * self.size)
        self.k_proj = Linear(d, self.kv * self.size)
        self.v_proj = Linear(d, self.kv * self.size)
        self.o_proj = Linear(self.heads * self.size, d)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        q = rotate_half(self.q_proj(x).view(b, t, self.heads, -1).transpose(1, 2), cos, sin)
        k = rotate_half(self.k_proj(x).view(b, t, self.kv, -1).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(b, t, self.kv, -1).transpose(1, 2)
        group = self.heads // self.kv
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = attend(q, k, v)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class SquaredReLU(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.up_proj = Linear(c["hidden_size"], c["intermediate_size"])
        self.down_proj = Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x):
        return self.down_proj(F.relu(self.up_proj(x)).square())


class SwiGLU(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = Linear(c["hidden_size"], c["intermediate_size"])
        self.up_proj = Linear(c["hidden_size"], c["intermediate_size"])
        self.down_proj = Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        plm = c["model_type"] == "plm"
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = LatentAttention(c) if plm else GroupedAttention(c)
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = SquaredReLU(c) if plm else SwiGLU(c)

    def forward(self, x, cos, sin, compute):
        x = x + self.self_attn(self.input_layernorm(x, compute), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x, compute))


class Dense(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config, self.compute = c, torch.float32
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.model.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        rotary = c["qk_rope_head_dim"] if c["model_type"] == "plm" else c["head_dim"]
        cos, sin = rotation(c["max_position_embeddings"], rotary, c["rope_theta"], torch.float64)
        self.register_buffer("cos", cos.float(), persistent=False)
        self.register_buffer("sin", sin.float(), persistent=False)

    def initialise(self, seed):
        """Normal with deviation 1/sqrt(inputs), the last matrix of each residual branch zero, embeddings 0.02."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, p in self.named_parameters():
                if name.endswith("embed_tokens.weight"):
                    p.normal_(0, 0.02, generator=generator)
                elif name.endswith(("o_proj.weight", "down_proj.weight")):
                    p.zero_()
                elif p.dim() == 2:
                    p.normal_(0, p.shape[1] ** -0.5, generator=generator)

    def forward(self, tokens):
        t = tokens.shape[1]
        cos, sin = self.cos[:t], self.sin[:t]
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, cos, sin, self.compute)
        return F.linear(self.model.norm(x, self.compute), self.model.embed_tokens.weight.to(self.compute))
