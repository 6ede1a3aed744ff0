"""olmoe: whole rows of q and k are normed, and the weights of experts do not add up to one."""

from feed_forward import experts
from skeleton import decoder

forward = decoder(lambda file, block, m: experts(file, block, m, normalised=False), row_norms=True)
