"""bert: token, part and learned position; norms behind the sums; GELU."""

from encoder import embed, layers_behind


def encode(file, ids):
    return layers_behind(file, embed(file, ids) + file.rows("position_embd.weight")[: len(ids)])
