"""The test oracle: a plain numpy forward pass over dequantised weights, for every architecture of
scripts/architectures.mjs: architectures/NAME.py has its `forward(file, ids)`, logits [tokens, vocabulary] of one sequence.

It shares nothing with the core but the specification: PyPI's gguf package reads the file and dequantises, whole prompts
go through at once, attention is expanded, and every product is an ordinary float32 (or float64) matmul.

    python forward.py MODEL --tokens 1,2,3 --out logits.f32 [--dtype f32|f64] [--window N] [--context N]
    python forward.py MODEL --tokens-file ids.json --out logits.f32

ids.json holds one list of token ids or several; each list, and with --window each run of N tokens, is a sequence of its
own. The output is raw little-endian float32, [all tokens, vocabulary], in the order given.
"""

import argparse
import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
from reading import File


def forward_of(name):
    """The forward of an architecture, from the file of its name."""
    known = sorted(path.stem for path in Path(__file__).with_name("architectures").glob("*.py"))
    if name not in known:
        sys.exit(f"architecture {name} is not one of {', '.join(known)}")
    # A name may have a dot, which no module's name has.
    path = Path(__file__).with_name("architectures") / f"{name}.py"
    spec = spec_from_file_location("architecture", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.forward


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens")
    parser.add_argument("--tokens-file")
    parser.add_argument("--out", required=True)
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--window", type=int, default=0)
    parser.add_argument("--context", type=int, default=0)
    options = parser.parse_args()
    if options.tokens:
        sequences = [[int(id) for id in options.tokens.split(",")]]
    else:
        with open(options.tokens_file, encoding="utf-8") as source:
            sequences = json.load(source)
        if sequences and isinstance(sequences[0], int):
            sequences = [sequences]
    if options.window:
        step = options.window
        sequences = [ids[at : at + step] for ids in sequences for at in range(0, len(ids), step)]
    file = File(options.model, np.float32 if options.dtype == "f32" else np.float64, options.context)
    forward = forward_of(file.architecture)
    with np.errstate(over="ignore"), open(options.out, "wb") as target:
        for ids in sequences:
            target.write(forward(file, ids).astype("<f4").tobytes())


if __name__ == "__main__":
    main()
