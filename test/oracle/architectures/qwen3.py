"""qwen3: queries and keys are normed head by head."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, head_norms=True)
