"""qwen2moe: qwen2 with experts, and a shared one behind a gate."""

import numpy as np
from attention import linear
from feed_forward import experts, shared_expert
from skeleton import decoder


def mixture(file, block, m):
    """The weights of experts do not add up to one."""
    gate = linear(file, f"{block}ffn_gate_inp_shexp", m)
    gate = gate.reshape(len(m), 1)
    return experts(file, block, m, normalised=False) + shared_expert(file, block, m) / (1 + np.exp(-gate))


forward = decoder(mixture)
