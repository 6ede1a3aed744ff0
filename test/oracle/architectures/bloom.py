"""bloom: ALiBi for positions, and a LayerNorm behind the embeddings."""

import numpy as np
from activations import gelu
from feed_forward import plain
from layer_norms import decoder
from norms import named_layer_norm


def embed(file, ids):
    return named_layer_norm(file, "token_embd_norm", file.rows("token_embd.weight", np.array(ids)))


def feed_forward(file, block, m):
    return plain(file, block, m, gelu)


forward = decoder(feed_forward, embed=embed, most=lambda file: 8.0)
