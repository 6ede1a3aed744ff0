"""hunyuan-dense: each head of q and k is normed behind RoPE."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, norms_behind=True)
