"""qwen3: queries and keys are normed head by head."""

from functools import partial

from attention import grouped_attention
from feed_forward import gated
from skeleton import decoder

forward = decoder(partial(grouped_attention, head_norms=True), gated)
