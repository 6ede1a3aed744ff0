"""maincoder: llama, each of whose heads of q and k is normed behind RoPE."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, paired=True, norms_behind=True)
