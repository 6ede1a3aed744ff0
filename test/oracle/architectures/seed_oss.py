"""seed_oss: qwen2, whose second norm is called post_attention_norm."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(gated, second="post_attention_norm")
