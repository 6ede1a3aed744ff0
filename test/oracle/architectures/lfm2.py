"""lfm2: gated convolutions over three tokens, and layers that attend."""

from feed_forward import gated
from recurrent import hybrid, short_convolution

forward = hybrid(short_convolution, gated, last="token_embd_norm", head_norms=True)
