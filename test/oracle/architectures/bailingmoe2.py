"""bailingmoe2: heads are normed, and a part of them turns by halves; experts in groups, and shared ones."""

from feed_forward import dense_or_experts
from skeleton import decoder

forward = decoder(dense_or_experts, head_norms=True)
