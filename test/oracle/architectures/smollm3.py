"""smollm3: llama, but every fourth layer turns nothing."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, paired=True, still=lambda file, layer: layer % 4 == 3)
