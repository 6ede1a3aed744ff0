"""exaone4: norms behind each half and of heads; in a model with windows only layers that have one turn."""

from attention import grouped_attention
from feed_forward import gated
from skeleton import decoder, windows

LARGEST = 64


def local(file, layer):
    """The model of 64 layers has windows, and so has one that says how long they are."""
    return windows(4, 4096 if file.number("block_count") == LARGEST else 0)(file, layer)


def attention(file, block, a, epsilon, rope, *, window=0):
    """Heads turn where they have a window, and in models without windows."""
    has_windows = any(local(file, layer)[0] for layer in range(file.number("block_count")))
    turn = rope if window or not has_windows else None
    return grouped_attention(file, block, a, epsilon, turn, window=window, head_norms=True)


forward = decoder(gated, normed=False, sandwich=True, attention=attention, local=local)
