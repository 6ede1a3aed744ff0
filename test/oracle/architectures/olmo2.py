"""olmo2: norms behind each half and of whole rows of q and k; OLMo 3's windows, whose layers turn without scaling."""

from feed_forward import gated
from skeleton import decoder, windows


def local(file, layer):
    """Layers with a window have the base of the others, and not their scaling."""
    window, _ = windows(4)(file, layer)
    return window, float(file.number("rope.freq_base", 10000.0))


forward = decoder(gated, normed=False, sandwich=True, row_norms=True, local=local)
