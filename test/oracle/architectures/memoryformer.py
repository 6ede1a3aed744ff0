"""memoryformer: tables that are looked up where others multiply."""

import numpy as np
from attention import attend
from norms import layer_norm
from rotation import partial_rope
from skeleton import head


def rms_norm_outside(x, weight, epsilon):
    """The epsilon is added to the root."""
    return x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + x.dtype.type(epsilon)) * weight


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


def forward(file, ids):
    """Every fully-connected layer of a block is a look-up; attention has no output projection."""
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    middle_epsilon = file.number("attention.layer_norm_epsilon", 1e-5)
    theta, turned = float(file.number("rope.freq_base", 10000.0)), file.number("rope.dimension_count")
    heads, bits = file.number("attention.head_count"), file.number("memory.code_length")
    x = file.rows("token_embd.weight", np.array(ids))
    tokens, width = x.shape

    def turn(y):
        return partial_rope(y.reshape(tokens, heads, width // heads), turned, theta, paired=False)

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
