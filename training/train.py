"""Train one of limpet's models: `python train.py plm --corpus tales-train.txt --valid tales-valid.txt --out runs/plm`.

Run it again to go on from the last checkpoint. --out receives log.csv, loss.png, checkpoint.pt (weights and
optimiser moments) and, at the end, final/ in Hugging Face's layout (config.json, model.safetensors, tokenizer.json).
"""

import argparse
import csv
import json
import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import configs
import corpus
import export
import optimiser
from evaluate import bits_per_byte


def schedule(step, steps, warmup, decay_start):
    """Warm-up, constant, then linear to zero: the decay can begin whenever the time runs out."""
    if step < warmup:
        return (step + 1) / warmup
    if step < decay_start:
        return 1.0
    return max(0.0, (steps - step) / (steps - decay_start))


def loss_of(model, tokens, targets):
    return F.cross_entropy(model(tokens).float().flatten(0, 1), targets.flatten())


def watched_windows(tokenizer, ids, count, length):
    """Evenly spaced windows of the validation text: the curve that is watched while a model trains."""
    starts = torch.linspace(0, len(ids) - length - 2, count).long()
    rows = torch.stack([torch.as_tensor(ids[s : s + length + 1]) for s in starts])
    spoken = sum(len(tokenizer.decode(r[1:].tolist(), skip_special_tokens=False).encode()) for r in rows)
    return rows, spoken


def draw(log_path, picture):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = list(csv.DictReader(log_path.open()))
    figure, axes = plt.subplots(figsize=(8, 4.5))
    axes.plot([float(r["tokens"]) / 1e6 for r in rows], [float(r["train_loss"]) for r in rows], lw=0.8, label="train")
    axes.set_xlabel("million tokens")
    axes.set_ylabel("train loss, nats a token")
    held = [(float(r["tokens"]) / 1e6, float(r["valid_bpb"])) for r in rows if r["valid_bpb"]]
    if held:
        right = axes.twinx()
        right.plot(*zip(*held), "o-", ms=2, lw=1, color="tab:red", label="validation")
        right.set_ylabel("validation bits a byte")
    axes.grid(alpha=0.3)
    axes.set_title(log_path.parent.name)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("model", choices=sorted(configs.MODELS))
    p.add_argument("--corpus", required=True)
    p.add_argument("--valid", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--tokenizer", help="folder of tokenizer.json (made when absent; default OUT/../tokenizer)")
    p.add_argument("--steps", type=int, default=2400)
    p.add_argument("--batch", type=int, default=8, help="sequences a step")
    p.add_argument("--micro", type=int, help="sequences a pass: small passes keep activations in the cache (default 1;"
                   " for MemoryFormers the batch, since each pass writes a gradient of every table)")
    p.add_argument("--keep-every", type=int, help="keep checkpoint-STEP.pt, with moments, every so many steps")
    p.add_argument("--decay", type=float, default=0.3, help="share of the steps in which the rate falls to zero")
    p.add_argument("--warmup", type=int, default=50)
    p.add_argument("--muon-rate", type=float, default=0.02)
    p.add_argument("--adam-rate", type=float, default=4e-3)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--tiny", action="store_true", help="the model's small shape, for tests")
    p.add_argument("--vocabulary", type=int, help="tokens of the vocabulary (default: the shape's)")
    p.add_argument("--eager", action="store_true", help="no torch.compile")
    p.add_argument("--stop-after", type=int, help="leave after this step, with a checkpoint (for tests and trials)")
    p.add_argument("--save-seconds", type=float, default=180)
    return p.parse_args()


def main():
    a = arguments()
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    config = dict((configs.TINY if a.tiny else configs.MODELS)[a.model])
    config["vocab_size"] = a.vocabulary or config["vocab_size"]
    length = config["max_position_embeddings"]
    a.micro = a.micro or (a.batch if config["model_type"] == "memoryformer" else 1)
    tokenizer_folder = Path(a.tokenizer) if a.tokenizer else out.parent / "tokenizer"
    tokenizer = corpus.load_tokenizer(a.corpus, tokenizer_folder, config["vocab_size"])
    stream = corpus.encode_documents(tokenizer, a.corpus, tokenizer_folder)
    valid_ids, valid_bytes = corpus.encode_plain(tokenizer, a.valid)
    batches = corpus.Batches(stream, length, a.batch, a.seed)

    compute = torch.bfloat16
    model = export.build(config)
    model.initialise(a.seed)
    model.compute = compute
    model.to(a.device)
    optimisers = optimiser.build(model, a.muon_rate, a.adam_rate, a.weight_decay, compute)
    rates = [[g["lr"] for g in o.param_groups] for o in optimisers]
    step, seconds = 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=a.device)
        model.load_state_dict(saved["model"])
        for o, s in zip(optimisers, saved["optimisers"]):
            o.load_state_dict(s)
        step, seconds = saved["step"], saved["seconds"]
    log_path = out / "log.csv"
    kept = []
    if log_path.exists():
        kept = [r for r in csv.reader(log_path.open()) if r and r[0].isdigit() and int(r[0]) <= step]
    log = log_path.open("w", newline="")
    writer = csv.writer(log)
    writer.writerow(["step", "tokens", "seconds", "train_loss", "valid_bpb", "rate"])
    writer.writerows(kept)

    loss_function = lambda tokens, targets: loss_of(model, tokens, targets)  # noqa: E731
    if not a.eager:
        loss_function = torch.compile(loss_function, dynamic=False)
    rows, spoken = watched_windows(tokenizer, valid_ids, 32, length)
    rows = rows.to(a.device)
    decay_start = round(a.steps * (1 - a.decay))
    tokens_a_step = a.batch * length
    print(json.dumps(vars(a) | {"parameters": sum(p.numel() for p in model.parameters()),
          "stream": len(stream), "epochs": round(a.steps / batches.steps_per_epoch, 2)}), flush=True)

    def save(path):
        state = {"model": model.state_dict(), "optimisers": [o.state_dict() for o in optimisers],
                 "step": step, "seconds": seconds, "config": config, "arguments": vars(a)}
        torch.save(state, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)
        log.flush()
        draw(log_path, out / "loss.png")

    begun = saved_at = time.perf_counter()
    running, count = 0.0, 0
    while step < a.steps:
        tokens, targets = (x.to(a.device) for x in batches(step))
        loss = 0.0
        for part in zip(tokens.split(a.micro), targets.split(a.micro)):
            nats = loss_function(*part) * (a.micro / a.batch)
            nats.backward()
            loss += nats.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        factor = schedule(step, a.steps, a.warmup, decay_start)
        for o, base in zip(optimisers, rates):
            for group, rate in zip(o.param_groups, base):
                group["lr"] = rate * factor
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        running, count = running + loss, count + 1
        now = time.perf_counter()
        seconds, begun = seconds + now - begun, now
        stopping = step == a.steps or step == a.stop_after
        if step % 20 == 0 or stopping:
            held = ""
            if step % 100 == 0 or stopping:
                # Under autograd, though nothing is differentiated: the step that is already compiled serves.
                nats = sum(loss_function(r[:, :-1].contiguous(), r[:, 1:].contiguous()).item() * r[:, 1:].numel()
                           for r in rows.split(a.micro))
                held = round(nats / math.log(2) / spoken, 4)
            writer.writerow([step, step * tokens_a_step, round(seconds, 1), round(running / count, 4), held,
                             round(factor, 4)])
            log.flush()
            print(step, f"loss {running / count:.4f} bpb {held} {seconds:.0f} s "
                  f"{step * tokens_a_step / seconds:.0f} tok/s", flush=True)
            running, count = 0.0, 0
        if stopping or time.perf_counter() - saved_at > a.save_seconds:
            save(checkpoint)
            saved_at = time.perf_counter()
        if a.keep_every and step % a.keep_every == 0:
            save(out / f"checkpoint-{step}.pt")
        if step == a.stop_after:
            return
    bpb = bits_per_byte(model, valid_ids, valid_bytes, length)
    figures = {"model": a.model, "valid_bits_per_byte": round(bpb, 4), "tokens_seen": step * tokens_a_step,
               "minutes": round(seconds / 60, 1), "parameters": sum(p.numel() for p in model.parameters()),
               "seed": a.seed, "steps": a.steps}
    export.write(model, out / "final", tokenizer_folder, figures)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
