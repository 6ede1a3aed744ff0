"""plm: latent attention, and a squared ReLU."""

from feed_forward import relu_squared
from latent import latent_attention
from skeleton import decoder

forward = decoder(relu_squared, paired=True, attention=latent_attention)
