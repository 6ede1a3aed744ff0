"""The test oracle of encoders: architectures/NAME.py has their `encode(file, ids)`, the last rows [tokens, hidden] of a
text, and encoder.py makes vectors of them. As forward.py, it shares nothing with the core but the specification.

    python encode.py jobs.json --tokens-file ids.json [--dtype f32|f64]

jobs.json: a list of { model, out, pooling }; ids.json: lists of token ids, each a text. What is written is raw
little-endian float32: what the file, or the pooling of the job, makes of each text, one behind the other.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path

import numpy as np
from encoder import vectors
from reading import File


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--tokens-file", type=Path, required=True)
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f64")
    options = parser.parse_args()
    texts = json.loads(options.tokens_file.read_text())
    for job in json.loads(options.jobs.read_text()):
        file = File(job["model"], np.float32 if options.dtype == "f32" else np.float64)
        encode = import_module(f"architectures.{file.architecture}").encode
        rows = [vectors(file, encode(file, ids), job.get("pooling")).astype("<f4").tobytes() for ids in texts]
        Path(job["out"]).write_bytes(b"".join(rows))


if __name__ == "__main__":
    main()
