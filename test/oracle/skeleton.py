"""What is around the layers: the pre-norm decoder of two halves, and the head."""

import numpy as np
from norms import rms_norm

VOCABULARY_ROWS = 16384  # rows of the head dequantised at a time: bounds memory for vocabularies of 150,000


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


def head(file, x):
    """Logits of the normed stream: the head is the embedding where it has no weights of its own."""
    name = "output.weight" if "output.weight" in file.tensors else "token_embd.weight"
    rows = len(file.tensors[name].data)
    parts = [x @ file.rows(name, slice(at, at + VOCABULARY_ROWS)).T for at in range(0, rows, VOCABULARY_ROWS)]
    return np.concatenate(parts, axis=1)
