"""A chain of five consecutive checkpoints with optimiser moments, and three fine-tunes, of a one-million-parameter PLM.

`python chain.py --corpus tales-train.txt --out chain` remakes all of it from fixed seeds. OUT receives
  base-1 … base-5     the checkpoints, 40 steps apart, while the rate is constant
  fine-1 … fine-3     base-5 trained on for 60 steps, each on a sixth of the corpus (its first, third and last)
each a folder in Hugging Face's layout with moments.safetensors (exp_avg.NAME, exp_avg_sq.NAME: Adam's two moments of
every tensor, float32) and training.json (step, loss, rate). Later work compresses such chains: what changes between
neighbours, and how far a fine-tune lies from its base.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import configs
import corpus
import export
from train import loss_of

CONFIG = configs.PLM | {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 256,
    "max_position_embeddings": 256,
}
LENGTH, BATCH, RATE, WARMUP = 256, 16, 3e-3, 40
FIRST, APART, CHECKPOINTS, FINE_STEPS, FINE_RATE = 240, 40, 5, 60, 5e-4


def adam(model, rate):
    return torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


def write(model, optimiser, folder, tokenizer, record):
    export.write(model, folder, tokenizer)
    moments = {
        f"{kind}.{name}": optimiser.state[p][kind].contiguous()
        for name, p in model.named_parameters()
        for kind in ("exp_avg", "exp_avg_sq")
    }
    save_file(moments, folder / "moments.safetensors")
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")


def run(model, optimiser, forward_loss, batches, begin, end, rate_at):
    mean = 0.0
    for step in range(begin, end):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step)
        loss = forward_loss(*batches(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        mean += loss.item() / (end - begin)
    return mean


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--corpus", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--tokenizer", help="folder of tokenizer.json (made when absent; default OUT/tokenizer)")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    out, begun = Path(a.out), time.perf_counter()
    tokenizer_folder = Path(a.tokenizer) if a.tokenizer else out / "tokenizer"
    tokenizer = corpus.load_tokenizer(a.corpus, tokenizer_folder, CONFIG["vocab_size"])
    stream = corpus.encode_documents(tokenizer, a.corpus, tokenizer_folder)

    model = export.build(CONFIG)
    model.initialise(a.seed)
    model.compute = torch.bfloat16
    forward_loss = torch.compile(lambda tokens, targets: loss_of(model, tokens, targets), dynamic=False)
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)

    optimiser, step = adam(model, RATE), 0
    batches = corpus.Batches(stream, LENGTH, BATCH, a.seed)
    for number in range(1, CHECKPOINTS + 1):
        end = FIRST + APART * (number - 1)
        loss = run(model, optimiser, forward_loss, batches, step, end, lambda s: RATE * min(1, (s + 1) / WARMUP))
        step = end
        record = {"step": step, "tokens": step * LENGTH * BATCH, "loss": round(loss, 4), "rate": RATE}
        write(model, optimiser, out / f"base-{number}", tokenizer_folder, record)
        print(f"base-{number}", record, f"{time.perf_counter() - begun:.0f} s", flush=True)

    base = {name: value.clone() for name, value in model.state_dict().items()}
    sixth = len(stream) // 6
    for number, part in enumerate((0, 2, 5), start=1):
        model.load_state_dict(base)
        optimiser = adam(model, FINE_RATE)
        batches = corpus.Batches(stream[part * sixth : (part + 1) * sixth], LENGTH, BATCH, a.seed + number)
        loss = run(model, optimiser, forward_loss, batches, 0, FINE_STEPS, lambda s: FINE_RATE * (1 - s / FINE_STEPS))
        record = {"step": step + FINE_STEPS, "base": CHECKPOINTS, "sixth": part, "loss": round(loss, 4)}
        write(model, optimiser, out / f"fine-{number}", tokenizer_folder, record)
        print(f"fine-{number}", record, f"{time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
