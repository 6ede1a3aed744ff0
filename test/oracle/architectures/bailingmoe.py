"""bailingmoe: llama with experts, and shared ones beside them."""

from feed_forward import dense_or_experts
from skeleton import decoder

forward = decoder(dense_or_experts, paired=True)
