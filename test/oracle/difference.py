"""A real adapter without a hub: what a fine-tune changed of its base, at a rank, as PEFT saves it.

    python3 test/oracle/difference.py BASE TUNED OUT RANK

Of each matrix of the encoder the difference's singular vectors: B = U·S, A = Vᵀ, the RANK largest. Both folders are
Hugging Face's. Tables of rows are left out.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np


def tensors_of(folder):
    """The float32 tensors of model.safetensors, by name."""
    data = (Path(folder) / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        begin, end = (8 + length + offset for offset in about["data_offsets"])
        if about["dtype"] == "F32":
            found[name] = np.frombuffer(data[begin:end], np.float32).reshape(about["shape"])
    return found


def save(path, tensors):
    header, at = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(values.tobytes() for values in tensors.values()))


base, tuned, out, rank = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
before, after = tensors_of(base), tensors_of(tuned)
pairs = {}
for name, values in before.items():
    if values.ndim != 2 or not name.startswith("encoder.layer."):
        continue
    u, s, v = np.linalg.svd(after[name].astype(np.float64) - values, full_matrices=False)
    module = f"base_model.model.{name.removesuffix('.weight')}"
    pairs[f"{module}.lora_A.weight"] = np.ascontiguousarray(v[:rank], np.float32)
    pairs[f"{module}.lora_B.weight"] = np.ascontiguousarray(u[:, :rank] * s[:rank], np.float32)
out.mkdir(parents=True, exist_ok=True)
config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "bias": "none"}
(out / "adapter_config.json").write_text(json.dumps(config))
save(out / "adapter_model.safetensors", pairs)
print(f"{out}: {len(pairs) // 2} pairs of rank {rank}")
