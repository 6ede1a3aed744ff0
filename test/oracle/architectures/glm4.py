"""glm4: norms before and behind each half, a part of each head turns, gate and up lie in one matrix.

Pairs turn, but halves where the file has RoPE's sections: text has the same position in all of them.
"""

from feed_forward import fused_gated
from skeleton import decoder


def forward(file, ids):
    paired = file.number("rope.dimension_sections", None) is None
    return decoder(fused_gated, paired=paired, sandwich=True)(file, ids)
