"""orion: llama with LayerNorms, whose heads turn by halves."""

from feed_forward import gated
from layer_norms import decoder

forward = decoder(gated)
