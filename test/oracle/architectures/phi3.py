"""phi3: matrices fused, and a part of each head turned, by one of two lists of factors."""

from feed_forward import fused_gated
from skeleton import decoder

forward = decoder(fused_gated)
