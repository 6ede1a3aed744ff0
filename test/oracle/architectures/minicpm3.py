"""minicpm3: latent attention with queries of low rank, and scales of the stream, the branches and the head."""

import numpy as np
from attention import linear
from feed_forward import gated
from latent import latent_attention
from norms import rms_norm
from rotation import Rope
from skeleton import head


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("rope.dimension_count"))
    layers, hidden = file.number("block_count"), file.number("embedding_length")
    branch = 1.4 / np.sqrt(layers)
    x = 12 * file.rows("token_embd.weight", np.array(ids))
    for layer in range(layers):
        block = f"blk.{layer}."
        a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        x = x + branch * linear(file, f"{block}attn_output", latent_attention(file, block, a, epsilon, rope))
        x = x + branch * gated(file, block, rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon))
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon) * (256 / hidden))
