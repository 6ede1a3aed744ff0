"""arcee: llama with a squared ReLU."""

from feed_forward import relu_squared
from skeleton import decoder

forward = decoder(relu_squared, paired=True)
