"""minicpm: llama with three scales, which a file may leave out."""

from feed_forward import gated
from skeleton import decoder

forward = decoder(
    gated,
    paired=True,
    embedding_scale=lambda file: file.number("embedding_scale", 12.0),
    branch_scale=lambda file: file.number("residual_scale", 1.4 / file.number("block_count") ** 0.5),
    logit_divisor=lambda file: file.number("logit_scale", file.number("embedding_length") / 256),
)
