"""qwen: qwen2; the network's width follows from its tensors."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated)
