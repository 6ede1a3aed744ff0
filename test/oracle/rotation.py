"""RoPE: turns pairs of values by the position of their token."""

import numpy as np


def rope(x, theta, paired, factors=None):
    """Rotates x [tokens, heads, size] by its position; `paired`: dimensions (2i, 2i+1), otherwise (i, i + size/2)."""
    frequencies = theta ** (-np.arange(0, x.shape[2], 2, dtype=np.float64) / x.shape[2])
    if factors is not None:
        frequencies = frequencies / factors.astype(np.float64)
    return turn(x, frequencies, paired)


def turn(x, frequencies, paired, magnitude=1.0):
    """Rotates the pairs of x [tokens, heads, size] by position times their frequency."""
    tokens, _, size = x.shape
    angles = np.outer(np.arange(tokens), frequencies)[:, None, :]
    cos, sin = (magnitude * np.cos(angles)).astype(x.dtype), (magnitude * np.sin(angles)).astype(x.dtype)
    first = x[..., 0::2] if paired else x[..., : size // 2]
    second = x[..., 1::2] if paired else x[..., size // 2 :]
    out = np.empty_like(x)
    turned = (first * cos - second * sin, first * sin + second * cos)
    if paired:
        out[..., 0::2], out[..., 1::2] = turned
    else:
        out[..., : size // 2], out[..., size // 2 :] = turned
    return out


def partial_rope(x, turned, theta, paired):
    """Rotates the first `turned` values of each head of x, and leaves the rest."""
    return np.concatenate([rope(x[..., :turned], theta, paired), x[..., turned:]], axis=-1)


class Rope:
    """How the metadata of a file turns the first values of heads: base, factors, scaling.

    `local`: as layers with a window do where they have a base of their own, `base` without the key, and no scaling.
    `turns`: of YaRN, in the original context, above which a pair keeps its angle, and below which it is scaled.
    """

    def __init__(self, file, size, paired=False, local=False, base=10000.0, log_multiplier=0.0, turns=(32, 1)):
        self.turned = file.number("rope.dimension_count", size)
        self.paired = paired
        self.magnitude = 1.0
        key = "rope.freq_base_swa" if local else "rope.freq_base"
        base = float(file.number(key, base))
        if not local and file.number("rope.scaling.alpha", 0) > 0:
            base *= file.number("rope.scaling.alpha") ** (self.turned / (self.turned - 2))
        pairs = np.arange(self.turned // 2, dtype=np.float64)
        self.frequencies = base ** (-2 * pairs / self.turned)
        if local:
            return
        factors = self.factors(file)
        if factors is not None:
            self.frequencies /= factors.astype(np.float64)
        kind = file.number("rope.scaling.type", "linear")
        factor = float(file.number("rope.scaling.factor", file.number("rope.scale_linear", 0)) or 1)
        self.magnitude = float(file.number("rope.scaling.attn_factor", 1.0))
        if kind == "linear":
            self.frequencies /= factor
        elif kind == "yarn":
            original = file.number("rope.scaling.original_context_length", file.number("context_length"))

            def pair_of(count):
                return self.turned * np.log(original / (count * 2 * np.pi)) / (2 * np.log(base))

            low, high = max(0.0, np.floor(pair_of(turns[0]))), min(self.turned - 1.0, np.ceil(pair_of(turns[1])))
            ramp = 1 - np.clip((pairs - low) / max(0.001, high - low), 0, 1)
            self.frequencies *= (1 - ramp) / factor + ramp
            self.magnitude *= _gain(factor, 1) / (_gain(factor, log_multiplier) if log_multiplier else 1)

    @staticmethod
    def factors(file):
        """The factors of angles: those of long contexts where there is room for more tokens than the original has."""
        given = file.optional("rope_freqs.weight")
        if given is not None:
            return given
        original = file.number("rope.scaling.original_context_length", file.number("context_length"))
        long = file.context > original
        return file.optional("rope_factors_long.weight" if long else "rope_factors_short.weight")

    def __call__(self, x, first=0):
        """Turns the values of each head of x [tokens, heads, size] from `first` on."""
        end = first + self.turned
        turned = turn(x[..., first:end], self.frequencies, self.paired, self.magnitude)
        return np.concatenate([x[..., :first], turned, x[..., end:]], axis=-1)


def _gain(factor, weight):
    return 1.0 if factor <= 1 else 0.1 * weight * np.log(factor) + 1
