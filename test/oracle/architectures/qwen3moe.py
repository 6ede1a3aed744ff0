"""qwen3moe: qwen3 with experts, whose weights add up to one."""

from feed_forward import experts
from skeleton import decoder

forward = decoder(experts, head_norms=True)
