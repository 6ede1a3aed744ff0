"""Compares two files of raw logits: KL(first || second) a token, top-1 agreement, differences. Prints JSON.

    python compare.py REFERENCE.f32 OTHER.f32 --vocabulary 49152 [--each]
"""

import argparse
import json

import numpy as np


def log_softmax(rows):
    rows = rows.astype(np.float64)
    rows = rows - rows.max(axis=-1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(axis=-1, keepdims=True))


def compare(reference, other):
    """Figures for each row of two arrays [tokens, vocabulary]; chunked, for a float64 copy of all would be large."""
    divergence = []
    for at in range(0, len(reference), 64):
        p, q = log_softmax(reference[at : at + 64]), log_softmax(other[at : at + 64])
        divergence.extend(np.sum(np.exp(p) * (p - q), axis=-1))
    difference = np.abs(reference - other)
    return {
        "tokens": len(reference),
        "kl_mean": float(np.mean(divergence)),
        "kl_max": float(np.max(divergence)),
        "top1": float(np.mean(reference.argmax(axis=-1) == other.argmax(axis=-1))),
        "max_difference": float(difference.max()),
        "rms_difference": float(np.sqrt(np.mean(difference.astype(np.float64) ** 2))),
        "deviation": float(reference.std()),
        "kl": [float(value) for value in divergence],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("reference")
    parser.add_argument("other")
    parser.add_argument("--vocabulary", type=int, required=True)
    parser.add_argument("--each", action="store_true", help="with the KL of every token")
    options = parser.parse_args()
    reference, other = (
        np.fromfile(path, dtype="<f4").reshape(-1, options.vocabulary) for path in (options.reference, options.other)
    )
    result = compare(reference, other)
    if not options.each:
        del result["kl"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
