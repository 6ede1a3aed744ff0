"""Hugging Face's own forward: the logits after some tokens of a checkpoint, as raw little-endian float32.

    python transformers_logits.py FOLDER --tokens 1,2,3 --out logits.f32

Weights and sums are float32, attention is the plain one ("eager").
"""

import argparse

import torch
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(
        options.folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    ).float()  # some weights ask for another type (xIELU's)
    ids = torch.tensor([[int(id) for id in options.tokens.split(",")]])
    with torch.no_grad():
        logits = model(ids).logits[0]
    with open(options.out, "wb") as target:
        target.write(logits.numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    main()
