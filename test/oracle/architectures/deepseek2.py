"""deepseek2: latent attention, dense layers first, then experts and shared ones beside them."""

import numpy as np
from attention import linear
from feed_forward import dense_or_experts
from latent import latent_attention, sizes
from norms import rms_norm
from rotation import Rope
from skeleton import head

def scaled(file, rope):
    """The scale of scores. With a multiplier YaRN's gain counts there, and not in cosines and sines."""
    scale = sizes(file)[0] ** -0.5
    multiplier = file.number("rope.scaling.yarn_log_multiplier", 0.0) / 0.1
    if not multiplier or file.number("rope.scaling.type") != "yarn":
        return scale
    rope.magnitude = 1.0
    return scale * (0.1 * multiplier * np.log(file.number("rope.scaling.factor")) + 1) ** 2


def forward(file, ids):
    epsilon = file.number("attention.layer_norm_rms_epsilon")
    rope = Rope(file, file.number("rope.dimension_count"), paired=True)
    scale = scaled(file, rope)
    x = file.rows("token_embd.weight", np.array(ids))
    for layer in range(file.number("block_count")):
        block = f"blk.{layer}."
        a = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
        x = x + linear(file, f"{block}attn_output", latent_attention(file, block, a, epsilon, rope, scale))
        m = rms_norm(x, file.rows(f"{block}ffn_norm.weight"), epsilon)
        x = x + dense_or_experts(file, block, m)
    return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))
