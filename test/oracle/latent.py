"""Multi-head latent attention in its expanded form: keys and values of every head from the normed latent."""

import numpy as np
from attention import attend
from norms import rms_norm


def sizes(file):
    """Values of a head's key and of its value: files with split matrices have keys of their own for them."""
    heads = file.number("attention.head_count")
    key = file.number("attention.key_length_mla", file.number("attention.key_length"))
    value = file.number("attention.value_length", file.number("embedding_length") // heads)
    return key, file.number("attention.value_length_mla", value)


def latent_attention(file, block, a, epsilon, rope, scale=None):
    """From the normed stream to what `attn_output` reads; `rope` turns the last values of a query and of the rope key."""
    tokens = a.shape[0]
    heads, rank = file.number("attention.head_count"), file.number("attention.kv_lora_rank")
    size, value = sizes(file)
    nope = size - file.number("rope.dimension_count")
    if f"{block}attn_q.weight" in file.tensors:
        q = a @ file.rows(f"{block}attn_q.weight").T
    else:
        q = rms_norm(a @ file.rows(f"{block}attn_q_a.weight").T, file.rows(f"{block}attn_q_a_norm.weight"), epsilon)
        q = q @ file.rows(f"{block}attn_q_b.weight").T
    compressed = a @ file.rows(f"{block}attn_kv_a_mqa.weight").T
    latent = rms_norm(compressed[:, :rank], file.rows(f"{block}attn_kv_a_norm.weight"), epsilon)
    rope_key = rope(compressed[:, None, rank:])
    if f"{block}attn_kv_b.weight" in file.tensors:
        expanded = (latent @ file.rows(f"{block}attn_kv_b.weight").T).reshape(tokens, heads, nope + value)
        k, v = expanded[..., :nope], expanded[..., nope:]
    else:
        k = np.einsum("tr,hrn->thn", latent, file.rows(f"{block}attn_k_b.weight"))
        v = np.einsum("tr,hvr->thv", latent, file.rows(f"{block}attn_v_b.weight"))
    k = np.concatenate([k, np.repeat(rope_key, heads, axis=1)], axis=-1)
    return attend(rope(q.reshape(tokens, heads, size), nope), k, v, scale)
