"""plm: latent attention, and a squared ReLU."""

import numpy as np
from attention import attend
from feed_forward import relu_squared
from norms import rms_norm
from skeleton import decoder


def latent_attention(file, block, a, epsilon, rope):
    """PLM's MLA in its expanded form: keys and values of every head from the normed latent."""
    tokens = a.shape[0]
    heads, rank = file.number("attention.head_count"), file.number("attention.kv_lora_rank")
    turned = file.number("rope.dimension_count")
    nope, value = file.number("attention.key_length") - turned, file.number("attention.value_length")
    q = (a @ file.rows(f"{block}attn_q.weight").T).reshape(tokens, heads, nope + turned)
    compressed = a @ file.rows(f"{block}attn_kv_a_mqa.weight").T
    latent = rms_norm(compressed[:, :rank], file.rows(f"{block}attn_kv_a_norm.weight"), epsilon)
    rope_key = rope(compressed[:, None, rank:])
    expanded = (latent @ file.rows(f"{block}attn_kv_b.weight").T).reshape(tokens, heads, nope + value)
    k = np.concatenate([expanded[..., :nope], np.repeat(rope_key, heads, axis=1)], axis=-1)
    return attend(rope(q, nope), k, expanded[..., nope:])


forward = decoder(relu_squared, paired=True, attention=latent_attention)
