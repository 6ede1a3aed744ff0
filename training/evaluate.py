"""Bits per byte of a text: `python evaluate.py runs/plm/final tales-valid.txt`, or of a checkpoint:
`python evaluate.py runs/plm/checkpoint-500.pt tales-valid.txt --tokenizer runs/tokenizer`."""

import argparse
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus
import export


@torch.no_grad()
def bits_per_byte(model, ids, text_bytes, length, batch=8):
    """Windows of `length` tokens, half a window apart; each token counts once, in the first window that holds it, and
    so has at least length / 2 tokens before it (but at the start of the text)."""
    tokens = torch.as_tensor(ids).to(next(model.parameters()).device)
    last = len(tokens) - 1 - length
    begins = [*range(0, max(last, 0), length // 2), max(last, 0)]
    counted, nats = 0, 0.0
    for i in range(0, len(begins), batch):
        rows = torch.stack([tokens[b : b + length + 1] for b in begins[i : i + batch]])
        logits = model(rows[:, :-1]).float()
        losses = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none").view(len(rows), -1)
        for begin, row in zip(begins[i : i + batch], losses):
            nats += row[counted - begin :].double().sum().item()
            counted = begin + rows.shape[1] - 1
    assert counted == len(tokens) - 1
    return nats / math.log(2) / text_bytes


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("model", help="a folder in Hugging Face's layout, or a checkpoint of train.py")
    p.add_argument("text")
    p.add_argument("--tokenizer", help="folder of tokenizer.json, for a checkpoint")
    p.add_argument("--bfloat16", action="store_true", help="compute as training does (faster)")
    a = p.parse_args()
    path = Path(a.model)
    if path.is_dir():
        model = export.read(path)
    else:
        saved = torch.load(path, map_location="cpu")
        model = export.build(saved["config"])
        model.load_state_dict(saved["model"])
    if a.bfloat16:
        model.compute = torch.bfloat16
    tokenizer = Tokenizer.from_file(str(Path(a.tokenizer or path) / "tokenizer.json"))
    ids, size = corpus.encode_plain(tokenizer, a.text)
    bits = bits_per_byte(model, ids, size, model.config["max_position_embeddings"])
    print(f"{bits:.4f} bits a byte over {size} bytes, {len(ids) - 1} tokens, {model.config['model_type']}")


if __name__ == "__main__":
    main()
