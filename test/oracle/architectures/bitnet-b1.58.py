"""bitnet-b1.58: bitnet, whose gate is a squared ReLU."""

import numpy as np

from architectures.bitnet import decoder

forward = decoder(lambda x: np.maximum(x, 0) ** 2)
