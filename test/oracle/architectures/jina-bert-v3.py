"""jina-bert-v3: as bert, with RoPE for positions."""

from encoder import embed, layers_behind


def encode(file, ids):
    return layers_behind(file, embed(file, ids), turned=True)
