"""Untrained models with every weight random, and their logits: what converters and engines are tested against.

`python examples.py --tokenizer DIR --out DIR` writes NAME/ and NAME/logits.npy (float64, [32, vocabulary]) beside
NAME/tokens.npy, for each model in its full and its tiny shape.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import configs
import export


def randomise(model, seed):
    """No weight may be zero or one by construction: an engine that forgets a norm or a bias must be seen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                bias = name.endswith("bias")
                p.normal_(0.0 if bias else 1.0, 0.1, generator=generator)
            elif name.endswith("table"):
                p.normal_(0, 0.1, generator=generator)
            else:
                p.normal_(0, 0.5 if "embed" in name else p.shape[1] ** -0.5, generator=generator)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    for kind, shapes in (("", configs.MODELS), ("tiny-", configs.TINY)):
        for seed, (name, config) in enumerate(shapes.items()):
            model = export.build(config)
            randomise(model, seed)
            folder = Path(a.out) / (kind + name)
            export.write(model, folder, a.tokenizer, {"model": name, "tokens_seen": 0})
            model.double()
            model.compute = torch.float64
            model.cos, model.sin = exact_rotation(config)
            tokens = torch.from_numpy(np.random.default_rng(seed).integers(1, config["vocab_size"], 32))
            with torch.no_grad():
                logits = model(tokens[None])[0].double().numpy()
            np.save(folder / "tokens.npy", tokens.numpy())
            np.save(folder / "logits.npy", logits)
            print(folder, logits.std().round(4), flush=True)


def exact_rotation(config):
    from dense import rotation

    dims = {"plm": lambda: config["qk_rope_head_dim"], "llama": lambda: config["head_dim"]}.get(
        config["model_type"], lambda: int(config["head_dim"] * config["rotary_pct"])
    )()
    return rotation(config["max_position_embeddings"], dims, config["rope_theta"], torch.float64)


if __name__ == "__main__":
    main()
