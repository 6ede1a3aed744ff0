"""xverse: llama under another name."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, paired=True)
