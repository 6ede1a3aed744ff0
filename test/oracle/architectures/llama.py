"""llama: heads turn by pairs."""

from functools import partial

from attention import grouped_attention
from feed_forward import gated
from skeleton import decoder

forward = decoder(partial(grouped_attention, paired=True), gated)
