"""cohere2: command-r with windows; only layers that have one turn."""

from attention import grouped_attention
from parallel import decoder
from skeleton import windows


def attention(file, block, a, rope):
    window, _ = windows(4)(file, int(block.split(".")[1]))
    return grouped_attention(file, block, a, 0.0, rope if window else None, window=window)


forward = decoder(attention)
