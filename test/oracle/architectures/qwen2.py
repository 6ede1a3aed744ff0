"""qwen2: heads turn by halves; q, k and v have biases."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated)
