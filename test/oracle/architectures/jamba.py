"""jamba: Mamba with norms, layers that attend without positions, some with experts."""

from feed_forward import experts, gated
from recurrent import hybrid, mamba


def feed_forward(file, block, m):
    if f"{block}ffn_gate_inp.weight" in file.tensors:
        return experts(file, block, m, normalised=False)
    return gated(file, block, m)


forward = hybrid(mamba, feed_forward, turns=False)
