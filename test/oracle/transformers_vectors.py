"""Hugging Face's own forward of encoders: what checkpoints make of texts, each as raw little-endian float32, one behind
the other: rows pooled and mapped as the folder's 1_Pooling and N_Dense say, or the scores of a classifier.

    python transformers_vectors.py jobs.json --tokens-file ids.json

jobs.json: a list of { folder, out, separator }.

Weights and sums are float32, attention is the plain one ("eager"). Tokens behind the first separator are of the second
part of a pair, where the model knows parts.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification


def pooled(folder, rows):
    """rows [tokens, hidden] → [hidden], as sentence-transformers does it."""
    modes = json.loads((folder / "1_Pooling/config.json").read_text())
    if modes["pooling_mode_mean_tokens"]:
        x = rows.mean(dim=0)
    else:
        x = rows[0] if modes["pooling_mode_cls_token"] else rows[-1]
    for path in sorted(folder.glob("*_Dense")):
        x = load_file(path / "model.safetensors")["linear.weight"] @ x
    return x


def encode(folder, texts, separator):
    """The values of all texts."""
    config = AutoConfig.from_pretrained(folder)
    ranks = config.architectures[0].endswith("ForSequenceClassification")
    kind = AutoModelForSequenceClassification if ranks else AutoModel
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True).eval()
    for ids in texts:
        given = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if getattr(config, "type_vocab_size", 0) > 1:
            behind = torch.tensor([[0, *(id == separator for id in ids[:-1])]]).cumsum(dim=1) > 0
            given["token_type_ids"] = behind.long()
        out = model(**given)
        yield out.logits[0] if ranks else pooled(folder, out.last_hidden_state[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--tokens-file", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    texts = json.loads(options.tokens_file.read_text())
    with torch.no_grad():
        for job in json.loads(options.jobs.read_text()):
            values = list(encode(Path(job["folder"]), texts, job.get("separator")))
            Path(job["out"]).write_bytes(torch.cat(values).numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    main()
