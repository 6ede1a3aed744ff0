"""What is around the layers: the pre-norm decoder of two halves, and the head."""

import numpy as np
from attention import grouped_attention, linear
from norms import rms_norm
from rotation import Rope

VOCABULARY_ROWS = 16384  # rows of the head dequantised at a time: bounds memory for vocabularies of 150,000


def decoder(
    feed_forward,
    *,
    paired=False,
    attention=grouped_attention,
    embedding_scale=None,
    normed=True,
    sandwich=False,
    branch_scale=None,
    still=None,
    local=None,
    final_cap=None,
    logit_divisor=None,
    second="ffn_norm",
    **options,
):
    """The forward of a pre-norm decoder with RMSNorms and attention in groups.

    `feed_forward(file, block, m)` is all of the second half, `attention(file, block, a, epsilon, rope, **options)` the
    first up to its last product; an option may be a function of the file. `local(file, layer)` gives the layer's
    window, or 0, and its base, or None for that of all layers; `still(file, layer)` whether the layer turns nothing.
    With `sandwich` each half is normed behind, too, without `normed` none before; `branch_scale(file)` multiplies each
    half, `logit_divisor(file)` divides logits, `final_cap(file)` caps them; `second` is the second norm's name.
    """

    def forward(file, ids):
        epsilon = file.number("attention.layer_norm_rms_epsilon")
        heads = file.number_of("attention.head_count", 0)
        size = file.number("attention.key_length", file.number("embedding_length") // heads)
        rope = Rope(file, size, paired)
        x = file.rows("token_embd.weight", np.array(ids))
        if embedding_scale:
            x = x * x.dtype.type(embedding_scale(file))
        branch = x.dtype.type(branch_scale(file) if branch_scale else 1)
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            window, base = local(file, layer) if local else (0, None)
            turn = Rope(file, size, paired, local=True, base=base) if window and base else rope
            if still and still(file, layer):
                turn = None
            more = {name: option(file) if callable(option) else option for name, option in options.items()}
            if window:
                more["window"] = window
            a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon) if normed else x
            mixed = linear(file, f"{block}attn_output", attention(file, block, a, epsilon, turn, **more))
            if sandwich:
                mixed = rms_norm(mixed, file.rows(f"{block}post_attention_norm.weight"), epsilon)
            x = x + branch * mixed
            m = rms_norm(x, file.rows(f"{block}{second}.weight"), epsilon) if normed else x
            m = feed_forward(file, block, m)
            if sandwich:
                m = rms_norm(m, file.rows(f"{block}post_ffw_norm.weight"), epsilon)
            x = x + branch * m
        logits = head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
        if logit_divisor:
            logits = logits / x.dtype.type(logit_divisor(file))
        limit = final_cap(file) if final_cap else 0
        return limit * np.tanh(logits / limit) if limit else logits

    return forward


def head(file, x):
    """Logits of the normed stream: the head is the embedding where it has no weights of its own."""
    name = "output.weight" if "output.weight" in file.tensors else "token_embd.weight"
    rows = len(file.tensors[name].data)
    parts = [x @ file.rows(name, slice(at, at + VOCABULARY_ROWS)).T for at in range(0, rows, VOCABULARY_ROWS)]
    return np.concatenate(parts, axis=1)


def windows(pattern, window=0, base=None):
    """Which layers see a window: as the file says, else all but every `pattern`-th."""

    def local(file, layer):
        size = file.number("attention.sliding_window", window)
        given = file.number("attention.sliding_window_pattern", pattern)
        is_local = given[layer] if isinstance(given, list) else layer % given < given - 1
        return (size if is_local else 0), base

    return local
