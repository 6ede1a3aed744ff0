"""Feed-forward networks up to their last product: what `ffn_down` reads."""

import numpy as np


def gated(file, block, m):
    up, gate = (m @ file.rows(f"{block}ffn_{name}.weight").T for name in ("up", "gate"))
    return gate / (1 + np.exp(-gate)) * up


def relu_squared(file, block, m):
    return np.maximum(m @ file.rows(f"{block}ffn_up.weight").T, 0) ** 2
