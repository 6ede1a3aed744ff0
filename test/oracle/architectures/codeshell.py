"""codeshell: starcoder2, with q, k and v in one matrix."""

from activations import gelu
from feed_forward import plain
from layer_norms import decoder


def feed_forward(file, block, m):
    return plain(file, block, m, gelu)


forward = decoder(feed_forward)
