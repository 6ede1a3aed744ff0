"""gemma2: norms before and behind each half, a window in every other layer, caps of scores and logits."""

from feed_forward import gated_gelu
from skeleton import decoder, windows

forward = decoder(
    gated_gelu,
    embedding_scale=lambda file: file.number("embedding_length") ** 0.5,
    sandwich=True,
    local=windows(2, 4096),
    final_cap=lambda file: file.number("final_logit_softcapping", 30.0),
    cap=lambda file: file.number("attn_logit_softcapping", 50.0),
)
