"""olmo: llama with LayerNorms that have no weights."""

from feed_forward import gated
from layer_norms import decoder
from norms import layer_norm


def norm(file, name, x):
    return layer_norm(x, 1, 0, file.number("attention.layer_norm_epsilon"))


forward = decoder(gated, norm=norm, paired=True)
