"""lfm2moe: lfm2 with experts behind its first layers."""

from feed_forward import experts, gated
from recurrent import hybrid, short_convolution


def feed_forward(file, block, m):
    if int(block.split(".")[1]) < file.number("leading_dense_block_count"):
        return gated(file, block, m)
    return experts(file, block, m, gating="sigmoid")


forward = hybrid(short_convolution, feed_forward, last="token_embd_norm", head_norms=True)
