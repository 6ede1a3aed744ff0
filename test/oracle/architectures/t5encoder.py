"""t5encoder: the encoder of t5 alone."""

from architectures.t5 import stacks


def encode(file, ids):
    return stacks(file).encode(ids)
