"""mu: two stacks that turn heads, with biases everywhere and GELU; attention across turns nothing."""

from activations import gelu
from attention import linear
from encoder_decoder import Stacks
from rotation import Rope


def translate(file, source, ids):
    """Logits [tokens, vocabulary] of the decoder's tokens behind a source."""
    size = file.number("attention.key_length")

    def feed_forward(block, m):
        return linear(file, f"{block}ffn_down", gelu(linear(file, f"{block}ffn_up", m)))

    own = Stacks(file, size**-0.5, feed_forward, turn=Rope(file, size))
    return own.decode(own.encode(source), ids) @ file.rows("token_embd.weight").T
