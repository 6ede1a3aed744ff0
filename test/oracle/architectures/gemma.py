"""gemma: embeddings times √hidden, and GeGLU."""

from feed_forward import gated_gelu
from skeleton import decoder

forward = decoder(gated_gelu, embedding_scale=lambda file: file.number("embedding_length") ** 0.5)
