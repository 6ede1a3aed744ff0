"""internlm2: llama's pass."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, paired=True)
