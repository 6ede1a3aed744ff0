"""openelm: qwen3, whose heads each layer has for itself."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, head_norms=True)
