"""nomic-bert: as bert, with RoPE for positions and a gate of SiLU."""

from encoder import embed, layers_behind
from feed_forward import gated


def encode(file, ids):
    return layers_behind(file, embed(file, ids), gated, turned=True)
