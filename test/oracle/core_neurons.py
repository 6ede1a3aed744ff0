"""Core neurons (CoreInfer, arXiv:2410.18311) in float64: the sets that a prompt chooses, and the logits that follow.

    python core_neurons.py MODEL --tokens-file ids.json --prompt N --alpha A --share B --out logits.f32 --sets sets.json

The prompt's tokens pass with all neurons, and in each layer C_α(x) are the ⌊α |A⁺(x)|⌋ largest of those that are not
zero (equation 1; of SwiGLU the magnitudes of silu(gate) · up). The sentence's core neurons are the ⌊β N⌋ that stand in
most C_α(x) (equations 2 and 3); ties: the larger sum, then the first. All other tokens pass with these alone. The last
layer keeps all of its neurons. The output is the logits of the last token, and the sets of the layers but the last.
"""

import argparse
import json

import feed_forward
import numpy as np
from forward import forward_of
from reading import File


def core_neurons(h, alpha, share):
    """The indices of the core neurons of activations [tokens, neurons], ascending."""
    sizes = np.abs(h)
    often = np.zeros(sizes.shape[1], int)
    for row in sizes:
        wanted = int(alpha * np.count_nonzero(row))
        often[np.argsort(-row, kind="stable")[:wanted]] += 1
    order = np.lexsort((-sizes.sum(axis=0), -often))
    return np.sort(order[: max(int(share * sizes.shape[1]), 1)])


def forward_with(forward, file, ids, tap):
    """The forward, `tap(layer, h)` changing what enters the last product of a layer's feed-forward network."""
    plain = feed_forward.linear

    def linear(file, name, x):
        block, _, matrix = name.rpartition(".")
        if matrix == "ffn_down":
            x = tap(int(block.split(".")[1]), x)
        return plain(file, name, x)

    feed_forward.linear = linear
    try:
        return forward(file, ids)
    finally:
        feed_forward.linear = plain


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens-file", required=True)
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--sets", required=True)
    options = parser.parse_args()
    with open(options.tokens_file, encoding="utf-8") as source:
        ids = json.load(source)
    file = File(options.model, np.float64)
    forward = forward_of(file.architecture)
    last = file.number("block_count") - 1
    sets = {}

    def choose(layer, h):
        if layer < last:
            sets[layer] = core_neurons(h, options.alpha, options.share)
        return h

    def leave_out(layer, h):
        if layer == last:
            return h
        kept = h.copy()
        kept[options.prompt :] = 0
        kept[options.prompt :, sets[layer]] = h[options.prompt :, sets[layer]]
        return kept

    forward_with(forward, file, ids[: options.prompt], choose)
    logits = forward_with(forward, file, ids, leave_out)
    with open(options.out, "wb") as target:
        target.write(logits[-1].astype("<f4").tobytes())
    with open(options.sets, "w", encoding="utf-8") as target:
        json.dump([sets[layer].tolist() for layer in range(last)], target)


if __name__ == "__main__":
    main()
