"""ernie4_5-moe: llama with experts in some layers, and a shared one beside them."""

from functools import partial

from feed_forward import dense_or_experts
from skeleton import decoder

forward = decoder(partial(dense_or_experts, normalised=True), paired=True)
