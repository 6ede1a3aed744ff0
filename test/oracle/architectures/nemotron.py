"""nemotron: llama with LayerNorms, and a squared ReLU without a gate."""

from feed_forward import relu_squared
from layer_norms import decoder

forward = decoder(relu_squared)
