"""What gemma3n and gemma4 share: inputs of layers, and layers that read keys and values of layers before them."""

import numpy as np
from activations import gelu
from attention import attend, linear
from norms import rms_norm
from rotation import Rope


def layer_inputs(file, ids, embeddings):
    """[layers, tokens, width] of the scaled embeddings; None where layers have no input of their own."""
    width = file.number("embedding_length_per_layer_input", 0)
    if not width:
        return None
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    own = file.rows("per_layer_token_embd.weight", np.array(ids)).reshape(len(ids), -1, width) * np.sqrt(width)
    made = linear(file, "per_layer_model_proj", embeddings) / np.sqrt(embeddings.shape[1])
    made = rms_norm(made.reshape(own.shape), file.rows("per_layer_proj_norm.weight"), epsilon)
    return ((made + own) / np.sqrt(2)).transpose(1, 0, 2).astype(embeddings.dtype)


def added_input(file, block, x, given):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    made = linear(file, f"{block}proj", gelu(linear(file, f"{block}inp_gate", x)) * given)
    return rms_norm(made, file.rows(f"{block}post_norm.weight"), epsilon)


class SharingAttention:
    """Attention of all layers: the last ones read keys and values of the last before them that has their window."""

    def __init__(self, file):
        self.file = file
        self.epsilon = file.number("attention.layer_norm_rms_epsilon")
        self.layers = file.number("block_count")
        self.kept = self.layers - file.number("attention.shared_kv_layers", 0)
        self.local = file.number("attention.sliding_window_pattern")
        size = file.number("attention.key_length")
        self.ropes = {False: Rope(file, size), True: Rope(file, size, local=True)}
        turned = file.number("rope.dimension_count_swa")
        if turned:
            pairs = np.arange(turned // 2, dtype=np.float64)
            local = self.ropes[True]
            local.turned = turned
            local.frequencies = file.number("rope.freq_base_swa", 10000.0) ** (-2 * pairs / turned)
        self.rows = {}

    def __call__(self, layer, a):
        file, block, tokens = self.file, f"blk.{layer}.", len(a)
        local = bool(self.local[layer])
        rope = self.ropes[local]
        key = "attention.key_length_swa" if local else "attention.key_length"
        size = file.number(key, file.number("attention.key_length"))
        q = self.norm(f"{block}attn_q_norm", linear(file, f"{block}attn_q", a).reshape(tokens, -1, size))
        if layer < self.kept:
            k = linear(file, f"{block}attn_k", a).reshape(tokens, -1, size)
            has_values = f"{block}attn_v.weight" in file.tensors
            v = linear(file, f"{block}attn_v", a).reshape(k.shape) if has_values else k
            self.rows[layer] = rope(self.norm(f"{block}attn_k_norm", k)), rms_norm(v, 1, self.epsilon)
        source = layer if layer < self.kept else max(l for l in range(self.kept) if bool(self.local[l]) == local)
        k, v = self.rows[source]
        window = file.number("attention.sliding_window") if local else 0
        return linear(file, f"{block}attn_output", attend(rope(q), k, v, scale=1.0, window=window))

    def norm(self, name, x):
        return rms_norm(x, self.file.rows(f"{name}.weight"), self.epsilon)
