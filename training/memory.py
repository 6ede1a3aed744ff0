"""MemoryFormer: every fully-connected layer of a block is a hashed look-up (Ding et al., 2024, arXiv 2411.12992).

A row x of K·τ entries is cut into K chunks z; the signs of a chunk are the code of one row of table k:
    code_k = sum_j [z_kj >= 0] · 2^(τ-1-j)            (first element most significant)
    score:  w_k = sum_j |z_kj| / prod_j (1 + e^(-2|z_kj|))        prob:  w_k = 1 / prod_j (1 + e^(-2|z_kj| / t))
    y = bias + sum_k w_k · T[k · 2^τ + code_k]
Q, K and V share one hash; there is no output projection and no activation function.
On a CPU, float32 runs through memory_cpu.c; else (a GPU, an oracle's float64, no C compiler) embedding_bag gathers.
"""

import torch
import torch.nn.functional as F
from torch import nn

import memory_cpu
from dense import attend, rotate_half, rotation


def codes(x, code_length):
    """[n, K·τ] -> row index into the K tables laid end to end, [n, K]."""
    z = x.view(x.shape[0], -1, code_length)
    place = 2 ** torch.arange(code_length - 1, -1, -1, device=x.device)
    code = ((z >= 0) * place).sum(-1)
    return code + torch.arange(z.shape[1], device=x.device) * 2**code_length


def weights(x, code_length, rule="score", temperature=1.0):
    """[n, K·τ] -> [n, K]; the product is taken as a sum of logarithms, so that it cannot overflow."""
    magnitude = x.view(x.shape[0], -1, code_length).abs()
    if rule == "prob":
        return torch.exp(-torch.log1p(torch.exp(-2 * magnitude / temperature)).sum(-1))
    return magnitude.sum(-1) * torch.exp(-torch.log1p(torch.exp(-2 * magnitude)).sum(-1))


def hashed(x, c, code_length):
    """The hash of rows x [n, K·τ], to be handed to every layer that shares it."""
    native = x.dtype == torch.float32 and x.device.type == "cpu" and c["weight_rule"] == "score"
    if native and memory_cpu.AVAILABLE:
        return memory_cpu.hashed(x, code_length)
    return codes(x, code_length), weights(x, code_length, c["weight_rule"], c["weight_temperature"])


class MemoryLayer(nn.Module):
    def __init__(self, tables, code_length, outputs):
        super().__init__()
        self.table = nn.Parameter(torch.empty(tables << code_length, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, rows, weight):
        if self.table.dtype == torch.float32 and self.table.device.type == "cpu" and memory_cpu.AVAILABLE:
            return memory_cpu.gathered(self.table, rows, weight) + self.bias
        return F.embedding_bag(rows, self.table, per_sample_weights=weight, mode="sum") + self.bias


class OutsideRMSNorm(nn.Module):
    """x · scale / (rms + eps): eps outside the root."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x / (x.square().mean(-1, keepdim=True).sqrt() + self.eps) * self.weight


class MemoryAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, tables, self.code_length, self.config = c["hidden_size"], c["num_tables"], c["code_length"], c
        self.heads, self.rotary = c["num_attention_heads"], int(c["head_dim"] * c["rotary_pct"])
        self.query = MemoryLayer(tables, self.code_length, d)
        self.key = MemoryLayer(tables, self.code_length, d)
        self.value = MemoryLayer(tables, self.code_length, d)

    def forward(self, x, cos, sin, compute):
        b, t, d = x.shape
        shared = hashed(x.reshape(b * t, d), self.config, self.code_length)
        q, k, v = (m(*shared).view(b, t, self.heads, -1).transpose(1, 2) for m in (self.query, self.key, self.value))
        q, k = (torch.cat((rotate_half(y[..., : self.rotary], cos, sin), y[..., self.rotary :]), -1) for y in (q, k))
        y = attend(q.to(compute), k.to(compute), v.to(compute))
        return y.transpose(1, 2).reshape(b, t, d).to(x.dtype)


class MemoryBlock(nn.Module):
    """M1 widens every chunk by two bits, LayerNorm, M2 looks up with the wider codes."""

    def __init__(self, c):
        super().__init__()
        tables, self.first_code, self.config = c["num_tables"], c["code_length"], c
        self.second_code = self.first_code + c["ffn_code_extra"]
        width = tables * self.second_code
        self.first = MemoryLayer(tables, self.first_code, width)
        self.norm = nn.LayerNorm(width, eps=c["layer_norm_eps"])
        self.second = MemoryLayer(tables, self.second_code, c["hidden_size"])

    def forward(self, x):
        inner = self.first(*hashed(x.reshape(-1, x.shape[-1]), self.config, self.first_code))
        return self.second(*hashed(self.norm(inner), self.config, self.second_code)).view(x.shape)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = OutsideRMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.attention = MemoryAttention(c)
        self.post_attention_layernorm = OutsideRMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = MemoryBlock(c)

    def forward(self, x, cos, sin, compute):
        x = x + self.attention(self.input_layernorm(x), cos, sin, compute)
        return x + self.mlp(self.post_attention_layernorm(x))


class MemoryFormer(nn.Module):
    def __init__(self, c):
        super().__init__()
        if c["num_tables"] * c["code_length"] != c["hidden_size"]:
            raise ValueError("num_tables · code_length must equal hidden_size: there is no projection before the hash")
        self.config, self.compute = c, torch.float32
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.model.norm = OutsideRMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        rotary = int(c["head_dim"] * c["rotary_pct"])
        cos, sin = rotation(c["max_position_embeddings"], rotary, c["rope_theta"], torch.float64)
        self.register_buffer("cos", cos.float(), persistent=False)
        self.register_buffer("sin", sin.float(), persistent=False)

    def initialise(self, seed):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, p in self.named_parameters():
                if name.endswith(("embed_tokens.weight", "lm_head.weight", "table")):
                    p.normal_(0, 0.02, generator=generator)

    def forward(self, tokens):
        t = tokens.shape[1]
        cos, sin = self.cos[:t], self.sin[:t]
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, cos, sin, self.compute)
        return F.linear(self.model.norm(x).to(self.compute), self.lm_head.weight.to(self.compute))
