"""The bar that a trained model has to clear: bits per byte of PPMd order 16, xz and zstd on the validation text,
each primed with the training text: (size of train + valid together) - (size of train alone).

`python ppmd.py tales-train.txt tales-valid.txt` (pyppmd, and zstandard if it is there, from PyPI)
"""

import lzma
import sys
from pathlib import Path

import pyppmd


def ppmd(data, order=16, memory=1 << 30):
    """PPMd variant H, 7-Zip's; 1 GiB of model memory never fills here, so nothing is forgotten."""
    encoder = pyppmd.Ppmd7Encoder(order, memory)
    return len(encoder.encode(data)) + len(encoder.flush())


def xz(data):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26}]
    return len(lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_NONE, filters=filters))


def zstd(data):
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(22, window_log=27)
    return len(zstandard.ZstdCompressor(compression_params=parameters).compress(data))


def main():
    train, valid = (Path(p).read_bytes() for p in sys.argv[1:3])
    for name, size in (("PPMd order 16", ppmd), ("xz -9e", xz), ("zstd --ultra -22", zstd)):
        try:
            bits = 8 * (size(train + valid) - size(train)) / len(valid)
            alone = 8 * size(valid) / len(valid)
            print(f"{name:18} primed {bits:.4f} bits a byte, unprimed {alone:.4f}", flush=True)
        except ImportError as missing:
            print(f"{name:18} {missing}")


if __name__ == "__main__":
    main()
