"""qwen35: gated delta nets, and every so many layers attention with a gate."""

import numpy as np
from attention import attend, linear
from feed_forward import gated
from norms import rms_norm
from recurrent import delta_net, sigmoid
from rotation import partial_rope
from skeleton import head


def delta_hybrid(feed_forward, grouped=False):
    """The forward of qwen35 and qwen3next."""

    def gated_attention(file, block, y, epsilon):
        heads, kv_heads = file.number("attention.head_count"), file.number("attention.head_count_kv")
        turned, theta = file.number("rope.dimension_count"), float(file.number("rope.freq_base"))
        q, gate = np.split(linear(file, f"{block}attn_q", y).reshape(len(y), heads, -1), 2, axis=2)
        k, v = (linear(file, f"{block}attn_{name}", y).reshape(len(y), kv_heads, -1) for name in "kv")
        q, k = (rms_norm(x, file.rows(f"{block}attn_{name}_norm.weight"), epsilon) for name, x in (("q", q), ("k", k)))
        q, k = (partial_rope(x, turned, theta, paired=False) for x in (q, k))
        return linear(file, f"{block}attn_output", attend(q, k, v) * sigmoid(gate.reshape(len(y), -1)))

    def forward(file, ids):
        epsilon = file.number("attention.layer_norm_rms_epsilon")
        x = file.rows("token_embd.weight", np.array(ids))
        for layer in range(file.number("block_count")):
            block = f"blk.{layer}."
            y = rms_norm(x, file.rows(f"{block}attn_norm.weight"), epsilon)
            if (layer + 1) % file.number("full_attention_interval") == 0:
                x = x + gated_attention(file, block, y, epsilon)
            else:
                x = x + delta_net(file, block, y, epsilon, grouped)
            x = x + feed_forward(file, block, rms_norm(x, file.rows(f"{block}post_attention_norm.weight"), epsilon))
        return head(file, rms_norm(x, file.rows("output_norm.weight"), epsilon))

    return forward


forward = delta_hybrid(gated)
