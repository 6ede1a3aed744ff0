"""granitehybrid: granite, most of whose layers are Mamba-2."""

from feed_forward import experts, gated, shared_expert
from recurrent import hybrid, mamba2


def feed_forward(file, block, m):
    if file.number("expert_count"):
        return experts(file, block, m) + shared_expert(file, block, m)
    return gated(file, block, m)


forward = hybrid(
    mamba2,
    feed_forward,
    turns=False,
    scales=("embedding_scale", "residual_scale", "logit_scale", "attention.scale"),
)
