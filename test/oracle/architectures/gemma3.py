"""gemma3: as gemma2 without its cap of scores, with norms of heads, and a rope of their own for layers with a window."""

from feed_forward import gated_gelu
from skeleton import decoder, windows

forward = decoder(
    gated_gelu,
    embedding_scale=lambda file: file.number("embedding_length") ** 0.5,
    sandwich=True,
    local=windows(6, 0, 10000.0),
    final_cap=lambda file: file.number("final_logit_softcapping", 0.0),
    head_norms=True,
)
