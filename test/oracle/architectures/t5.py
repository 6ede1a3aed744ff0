"""t5: two stacks with biases by distance, scores that are not scaled, ReLU or GeGLU."""

import numpy as np
from activations import gelu
from attention import linear
from encoder_decoder import Stacks


def buckets(distance, both, count):
    """Mesh TensorFlow's buckets: distance = key − query; one each for the near ones, then by the logarithm up to 128."""
    first = np.zeros_like(distance)
    away = -distance
    if both:
        count //= 2
        first = np.where(away < 0, count, 0)
        away = np.abs(away)
    else:
        away = np.maximum(away, 0)
    exact = count // 2
    # In float32, as the models were trained.
    ratio = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(exact)) / np.float32(np.log(128 / exact))
    far = np.minimum(exact + (ratio * np.float32(count - exact)).astype(np.int64), count - 1)
    return first + np.where(away < exact, away, far)


def stacks(file):
    def feed_forward(block, m):
        up = linear(file, f"{block}ffn_up", m)
        if f"{block}ffn_gate.weight" in file.tensors:
            return linear(file, f"{block}ffn_down", gelu(linear(file, f"{block}ffn_gate", m)) * up)
        return linear(file, f"{block}ffn_down", np.maximum(up, 0))

    def bias(stack, layer, tokens):
        own = f"{stack}.blk.{layer}.attn_rel_b.weight"
        # Rows are buckets, of which each has a number a head.
        table = file.rows(own if own in file.tensors else f"{stack}.blk.0.attn_rel_b.weight")
        at = np.arange(tokens)
        return table[buckets(at[None, :] - at[:, None], stack == "enc", len(table))].transpose(2, 0, 1)

    return Stacks(file, 1, feed_forward, bias=bias)


def translate(file, source, ids):
    """Logits [tokens, vocabulary] of the decoder's tokens behind a source."""
    own = stacks(file)
    y = own.decode(own.encode(source), ids)
    if "output.weight" in file.tensors:
        return y @ file.rows("output.weight").T
    gated = "enc.blk.0.ffn_gate.weight" in file.tensors
    return (y if gated else y / np.sqrt(y.dtype.type(y.shape[1]))) @ file.rows("token_embd.weight").T
