"""baichuan: llama; with 40 layers ALiBi for positions."""

from attention import distances, grouped_attention
from feed_forward import gated
from skeleton import decoder


def attention(file, block, a, epsilon, rope):
    if file.number("block_count") != 40:
        return grouped_attention(file, block, a, epsilon, rope)
    bias = distances(file.number("attention.head_count"), 8.0, len(a))
    return grouped_attention(file, block, a, epsilon, None, bias=bias)


forward = decoder(gated, paired=True, attention=attention)
