"""What gguf-py says of the codebook formats (IQ1_S to IQ3_S):  python3 test/oracle/codebooks.py

Writes assembly/kernels/quant/codebooks/grids.ts, the codebooks as lists of distances, and test/golden/codebooks.json:
for each format a block with its values, and the SHA-256 of the values of 1,024 blocks of bytes that the test draws anew.
PyPI's gguf 0.19 (MIT licence, Copyright (c) The ggml authors) has the codebooks and the exact dequantisation.
"""

import base64
import hashlib
import json
import textwrap
from pathlib import Path

import gguf.quants as quants
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = 1024
# The byte of a block with the sign and the exponent of its half scale.
SCALE = {"IQ2_XXS": 1, "IQ2_XS": 1, "IQ2_S": 1, "IQ3_XXS": 1, "IQ3_S": 1, "IQ1_S": 1, "IQ1_M": 55}


def numbers_of(name):
    """The codewords as numbers of digits in the base of the values, the first digit lowest; they ascend."""
    book = getattr(quants, name)
    book.init_grid()
    digits = {value: digit for digit, value in enumerate(book.grid_map)}
    words = book.grid.reshape(book.grid_shape)
    numbers = [sum(digits[int(v)] * len(digits) ** j for j, v in enumerate(word)) for word in words]
    assert numbers == sorted(set(numbers))
    return numbers


def rice(numbers):
    """Distances less one, each as its upper part in ones, a zero, and its `k` lower bits; from the lowest bit on."""
    gaps = np.diff([-1, *numbers]) - 1
    k = min(range(8), key=lambda k: sum((gap >> k) + 1 + k for gap in gaps))
    bits = "".join("1" * (gap >> k) + "0" + "".join(str((gap >> i) & 1) for i in range(k)) for gap in gaps)
    # The reader has 57 bits at once.
    assert max(gaps >> k) + 1 + k <= 57
    return k, [int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8)]


def write_grids():
    page = [
        "/**",
        " * The codebooks of IQ1_S to IQ3_S as GGUF has them (MIT licence, Copyright (c) The ggml authors; see NOTICE). Written",
        " * by test/oracle/codebooks.py: do not edit. `expand.ts` says how they are read.",
        " */",
    ]
    for name in ["IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"]:
        numbers = numbers_of(name)
        k, data = rice(numbers)
        lines = textwrap.wrap(", ".join(map(str, data)) + ",", 117)
        page += [
            "",
            f"/** {len(numbers)} codewords, {k} lower bits. */",
            "@lazy",
            f"export const {name}_WORDS: usize = memory.data<u8>([",
            *("  " + line for line in lines),
            "]);",
        ]
    (ROOT / "assembly/kernels/quant/codebooks/grids.ts").write_text("\n".join(page) + "\n")


def drawn(count, state):
    """Bytes by a linear congruential generator, the upper eight of its 32 bits."""
    out = bytearray(count)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def write_golden():
    golden = {}
    for name, at in SCALE.items():
        kind = quants.GGMLQuantizationType[name]
        size = quants.GGML_QUANT_SIZES[kind][1]
        data = drawn(BLOCKS * size, size)
        for block in range(BLOCKS):
            data[block * size + at] &= 0xBF  # no half that is infinite
        values = quants.dequantize(np.frombuffer(bytes(data), np.uint8).reshape(BLOCKS, size), kind).astype("<f4")
        assert values.shape == (BLOCKS, 256)
        golden[name] = {
            "block": bytes(data[:size]).hex(),
            "values": base64.b64encode(values[0].tobytes()).decode(),
            "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        }
    (ROOT / "test/golden/codebooks.json").write_text(json.dumps(golden, indent=2) + "\n")


write_grids()
write_golden()
