"""mistral3: YaRN by its own numbers, and queries that grow with their position."""

import numpy as np
from attention import attend, projections
from feed_forward import gated
from rotation import Rope
from skeleton import decoder


def attention(file, block, a, epsilon, _):
    """Queries times 1 + β · ln(⌊position / original⌋ + 1)."""
    q, k, v = projections(file, block, a)
    key = "rope.scaling.yarn_"
    turns = (file.number(f"{key}beta_fast", 32.0), file.number(f"{key}beta_slow", 1.0))
    rope = Rope(file, q.shape[2], True, log_multiplier=file.number(f"{key}log_multiplier", 0.0), turns=turns)
    original = file.number("rope.scaling.original_context_length", file.number("context_length"))
    beta = file.number("attention.temperature_scale", 0.0)
    growth = 1 + beta * np.log(np.arange(len(a)) // original + 1)
    return attend(rope(q) * growth[:, None, None].astype(a.dtype), rope(k), v)


forward = decoder(gated, paired=True, attention=attention)
