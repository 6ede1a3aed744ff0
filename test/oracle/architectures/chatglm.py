"""chatglm: llama, of whose heads a part turns, with gate and up in one matrix."""

from feed_forward import fused_gated
from skeleton import decoder

forward = decoder(fused_gated, paired=True)
