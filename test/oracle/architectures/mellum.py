"""mellum: qwen3moe with windows, whose layers turn without scaling."""

from architectures.olmo2 import local
from feed_forward import experts
from skeleton import decoder

forward = decoder(experts, head_norms=True, local=local)
