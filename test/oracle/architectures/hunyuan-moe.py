"""hunyuan-moe: hunyuan-dense with experts, and one that every token goes to."""

from functools import partial

from feed_forward import dense_or_experts
from skeleton import decoder

forward = decoder(partial(dense_or_experts, normalised=True), norms_behind=True)
