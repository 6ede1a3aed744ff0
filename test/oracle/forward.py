"""The test oracle: a plain numpy forward pass over dequantised weights, for every architecture of
scripts/architectures.mjs.

It shares nothing with the core but the specification: PyPI's gguf package reads the file and dequantises, whole prompts
go through at once, attention is expanded, and every product is an ordinary float32 (or float64) matmul.

    python forward.py MODEL --tokens 1,2,3 --out logits.f32 [--dtype f32|f64] [--window N]
    python forward.py MODEL --tokens-file ids.json --out logits.f32

ids.json holds one list of token ids or several; each list, and with --window each run of N tokens, is a sequence of its
own. The output is raw little-endian float32, [all tokens, vocabulary], in the order given.
"""

import argparse
import json
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

VOCABULARY_ROWS = 16384  # rows of the head dequantised at a time: bounds memory for vocabularies of 150,000


class File:
    """Metadata and dequantised tensors of a GGUF file."""

    def __init__(self, path, dtype):
        self.reader = GGUFReader(path)
        self.dtype = dtype
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        self.architecture = self.value("general.architecture")

    def value(self, key, default=None):
        field = self.reader.get_field(key)
        return default if field is None else field.contents()

    def number(self, name, default=None):
        return self.value(f"{self.architecture}.{name}", default)

    def rows(self, name, selection=slice(None)):
        tensor = self.tensors[name]
        return dequantize(tensor.data[selection], tensor.tensor_type).astype(self.dtype)

    def optional(self, name):
        return self.rows(name) if name in self.tensors else None


def rms_norm_outside(x, weight, epsilon):
    """MemoryFormer's: the epsilon is added to the root."""
    return x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + x.dtype.type(epsilon)) * weight


def layer_norm(x, weight, bias, epsilon):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + x.dtype.type(epsilon)) * weight + bias


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(epsilon)) * weight


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


def attend(q, k, v):
    """Causal attention of q, k [tokens, heads, key size] and v [tokens, heads, value size]."""
    tokens = q.shape[0]
    scores = np.einsum("qhd,khd->hqk", q, k, optimize=True) * q.dtype.type(1 / np.sqrt(q.shape[2]))
    scores[:, np.triu(np.ones((tokens, tokens), dtype=bool), 1)] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v, optimize=True).reshape(tokens, -1)


def grouped_attention(file, block, a, epsilon, theta):
    """Attention of llama, qwen2 and qwen3: query heads share key and value heads in groups."""
    tokens = a.shape[0]
    heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
    size = file.number("attention.key_length", file.number("embedding_length") // heads)

    def project(name, count):
        out = a @ file.rows(f"{block}{name}.weight").T
        bias = file.optional(f"{block}{name}.bias")
        return (out if bias is None else out + bias).reshape(tokens, count, size)

    q, k, v = project("attn_q", heads), project("attn_k", kv_heads), project("attn_v", kv_heads)
    if file.architecture == "qwen3":
        q = rms_norm(q, file.rows(f"{block}attn_q_norm.weight"), epsilon)
        k = rms_norm(k, file.rows(f"{block}attn_k_norm.weight"), epsilon)
    paired, factors = file.architecture == "llama", file.optional("rope_freqs.weight")
    q, k = rope(q, theta, paired, factors), rope(k, theta, paired, factors)
    group = heads // kv_heads
    return attend(q, np.repeat(k, group, axis=1), np.repeat(v, group, axis=1))


def latent_attention(file, block, a, epsilon, theta):
    """PLM's MLA in its expanded form: keys and values of every head from the normed latent."""
    tokens = a.shape[0]
    heads, rank = file.number("attention.head_count"), file.number("attention.kv_lora_rank")
    turned = file.number("rope.dimension_count")
    nope, value = file.number("attention.key_length") - turned, file.number("attention.value_length")
    q = (a @ file.rows(f"{block}attn_q.weight").T).reshape(tokens, heads, nope + turned)
    compressed = a @ file.rows(f"{block}attn_kv_a_mqa.weight").T
    latent = rms_norm(compressed[:, :rank], file.rows(f"{block}attn_kv_a_norm.weight"), epsilon)
    rope_key = rope(compressed[:, None, rank:], theta, paired=True)
    expanded = (latent @ file.rows(f"{block}attn_kv_b.weight").T).reshape(tokens, heads, nope + value)
    q = np.concatenate([q[..., :nope], rope(q[..., nope:], theta, paired=True)], axis=-1)
    k = np.concatenate([expanded[..., :nope], np.repeat(rope_key, heads, axis=1)], axis=-1)
    return attend(q, k, expanded[..., nope:])


class Hash:
    """The codes of x [tokens, tables * bits] and their weights; layers that read x share it."""

    def __init__(self, file, x, bits):
        tables = file.number("memory.table_count")
        z = x.reshape(len(x), tables, bits)
        ones = z >= 0 if file.number("memory.zero_sign", True) else z > 0
        codes = ones @ (1 << np.arange(bits - 1, -1, -1))
        self.rows = codes + (np.arange(tables) << bits)
        magnitude = np.abs(z)
        if file.number("memory.weight_rule", "score") == "score":
            self.weights = magnitude.sum(axis=2) / np.prod(1 + np.exp(-2 * magnitude), axis=2)
        else:
            temperature = x.dtype.type(file.number("memory.temperature", 1.0))
            self.weights = 1 / np.prod(1 + np.exp(-2 * magnitude / temperature), axis=2)


def memory_layer(file, name, hashed):
    """bias + the sum over tables of weight * row. Bytes have a scale a row; of half the width they are two codes each."""
    tensor, bias, scale = file.tensors[f"{name}.table"], file.optional(f"{name}.bias"), file.optional(f"{name}.scale")
    out = []
    for rows, weights in zip(hashed.rows, hashed.weights):
        values = tensor.data[rows]
        if tensor.tensor_type.name == "I8":
            values = values.view(np.int8)
            if bias is not None and values.shape[1] * 2 == bias.shape[-1]:
                packed = values.view(np.uint8)
                values = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.int8) - 8
        values = values.astype(file.dtype)
        if scale is not None:
            values = values * scale.reshape(-1, 1)[rows]
        out.append(weights @ values)
    return np.array(out) + (0 if bias is None else bias)


def memory_forward(file, ids):
    """MemoryFormer: every fully-connected layer of a block is a look-up; attention has no output projection."""
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    middle_epsilon = file.number("attention.layer_norm_epsilon", 1e-5)
    theta, turned = float(file.number("rope.freq_base", 10000.0)), file.number("rope.dimension_count")
    heads, bits = file.number("attention.head_count"), file.number("memory.code_length")
    x = file.rows("token_embd.weight", np.array(ids))
    tokens, width = x.shape

    def turn(y):
        y = y.reshape(tokens, heads, width // heads)
        return np.concatenate([rope(y[..., :turned], theta, paired=False), y[..., turned:]], axis=-1)

    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        hashed = Hash(file, rms_norm_outside(x, file.rows(f"{block}attn_norm.weight"), epsilon), bits)
        q, k, v = (memory_layer(file, f"{block}attn_{name}", hashed) for name in "qkv")
        x = x + attend(turn(q), turn(k), v.reshape(tokens, heads, width // heads))
        hashed = Hash(file, rms_norm_outside(x, file.rows(f"{block}ffn_norm.weight"), epsilon), bits)
        up = memory_layer(file, f"{block}ffn_up", hashed)
        norm = f"{block}ffn_mid_norm."
        up = layer_norm(up, file.rows(f"{norm}weight"), file.rows(f"{norm}bias"), middle_epsilon)
        hashed = Hash(file, up, file.number("memory.ffn_code_length", bits + 2))
        x = x + memory_layer(file, f"{block}ffn_down", hashed)
    return head(file, rms_norm_outside(x, file.rows("output_norm.weight"), epsilon))


def relu_squared(file, block, m):
    return np.maximum(m @ file.rows(f"{block}ffn_up.weight").T, 0) ** 2


def gated(file, block, m):
    up, gate = (m @ file.rows(f"{block}ffn_{name}.weight").T for name in ("up", "gate"))
    return gate / (1 + np.exp(-gate)) * up


def decoder(attention, feed_forward):
    """The forward of a pre-norm decoder of these two halves."""

    def forward(file, ids):
        epsilon = file.number("attention.layer_norm_rms_epsilon")
        theta = float(file.number("rope.freq_base", 10000.0))
        x = file.rows("token_embd.weight", np.array(ids))
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
            mixed = attention(file, block, a, epsilon, theta) @ file.rows(f"{block}attn_output.weight").T
            bias = file.optional(f"{block}attn_output.bias")
            x = x + (mixed if bias is None else mixed + bias)
            m = rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon)
            x = x + feed_forward(file, block, m) @ file.rows(f"{block}ffn_down.weight").T
        return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))

    return forward


def gelu(x):
    kind = x.dtype.type
    return x / 2 * (1 + np.tanh(kind(np.sqrt(2 / np.pi)) * (x + kind(0.044715) * x**3)))


def phi_forward(file, ids):
    """Phi-2: attention and the feed-forward network read one LayerNorm; every linear has a bias."""
    epsilon = file.number("attention.layer_norm_epsilon")
    theta, turned = float(file.number("rope.freq_base", 10000.0)), file.number("rope.dimension_count")
    heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
    x = file.rows("token_embd.weight", np.array(ids))
    tokens = len(ids)

    def norm(y, name):
        return layer_norm(y, file.rows(f"{name}.weight"), file.rows(f"{name}.bias"), epsilon)

    def linear(y, name):
        return y @ file.rows(f"{name}.weight").T + file.rows(f"{name}.bias")

    def turn(y):
        return np.concatenate([rope(y[..., :turned], theta, paired=False), y[..., turned:]], axis=-1)

    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = norm(x, f"{block}attn_norm")
        q = linear(a, f"{block}attn_q").reshape(tokens, heads, -1)
        k, v = (linear(a, f"{block}attn_{name}").reshape(tokens, kv_heads, -1) for name in "kv")
        k, v = (np.repeat(y, heads // kv_heads, axis=1) for y in (turn(k), v))
        mixed = linear(attend(turn(q), k, v), f"{block}attn_output")
        x = x + (mixed + linear(gelu(linear(a, f"{block}ffn_up")), f"{block}ffn_down"))
    return head(file, norm(x, "output_norm")) + file.rows("output.bias")


def head(file, x):
    """Logits of the normed stream: the head is the embedding where it has no weights of its own."""
    name = "output.weight" if "output.weight" in file.tensors else "token_embd.weight"
    rows = len(file.tensors[name].data)
    parts = [x @ file.rows(name, slice(at, at + VOCABULARY_ROWS)).T for at in range(0, rows, VOCABULARY_ROWS)]
    return np.concatenate(parts, axis=1)


# Logits [tokens, vocabulary] of one sequence, by architecture: scripts/architectures.mjs has the same names.
FORWARDS = {
    "llama": decoder(grouped_attention, gated),
    "qwen2": decoder(grouped_attention, gated),
    "qwen3": decoder(grouped_attention, gated),
    "plm": decoder(latent_attention, relu_squared),
    "memoryformer": memory_forward,
    "phi2": phi_forward,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens")
    parser.add_argument("--tokens-file")
    parser.add_argument("--out", required=True)
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--window", type=int, default=0)
    options = parser.parse_args()
    if options.tokens:
        sequences = [[int(id) for id in options.tokens.split(",")]]
    else:
        with open(options.tokens_file, encoding="utf-8") as source:
            sequences = json.load(source)
        if sequences and isinstance(sequences[0], int):
            sequences = [sequences]
    if options.window:
        step = options.window
        sequences = [ids[at : at + step] for ids in sequences for at in range(0, len(ids), step)]
    file = File(options.model, np.float32 if options.dtype == "f32" else np.float64)
    if file.architecture not in FORWARDS:
        sys.exit(f"architecture {file.architecture} is not one of {', '.join(FORWARDS)}")
    forward = FORWARDS[file.architecture]
    with np.errstate(over="ignore"), open(options.out, "wb") as target:
        for ids in sequences:
            target.write(forward(file, ids).astype("<f4").tobytes())


if __name__ == "__main__":
    main()
