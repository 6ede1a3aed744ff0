"""qwen3next: qwen35 with experts, and a shared one behind a gate."""

from architectures.qwen35 import delta_hybrid
from attention import linear
from feed_forward import experts, shared_expert
from recurrent import sigmoid


def feed_forward(file, block, m):
    gate = m @ file.rows(f"{block}ffn_gate_inp_shexp.weight").reshape(-1, 1)
    return experts(file, block, m) + sigmoid(gate) * shared_expert(file, block, m)


forward = delta_hybrid(feed_forward, grouped=True)
