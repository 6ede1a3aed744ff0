"""exaone: llama whose heads turn by halves."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated)
