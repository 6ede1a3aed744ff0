"""jais: ALiBi for positions, SwiGLU with biases, scores divided by the size of a head."""

from feed_forward import gated
from layer_norms import decoder

forward = decoder(gated, most=lambda file: file.number("attention.max_alibi_bias"), scale=lambda size: 1 / size)
