"""granitemoe: granite with experts, and one that every token goes to."""

from feed_forward import experts, shared_expert
from skeleton import decoder

from architectures.granite import SCALES


def feed_forward(file, block, m):
    out = experts(file, block, m)
    return out + shared_expert(file, block, m) if f"{block}ffn_up_shexp.weight" in file.tensors else out


forward = decoder(feed_forward, paired=True, **SCALES)
