"""granite: llama with four scales; it may turn nothing."""

from feed_forward import gated
from skeleton import decoder

SCALES = {
    "embedding_scale": lambda file: file.number("embedding_scale", 1.0) or 1,
    "branch_scale": lambda file: file.number("residual_scale", 1.0) or 1,
    "logit_divisor": lambda file: file.number("logit_scale"),
    "scale": lambda file: file.number("attention.scale"),
    "still": lambda file, layer: not file.number("rope.scaling.finetuned", True),
}

forward = decoder(gated, paired=True, **SCALES)
