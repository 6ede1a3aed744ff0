"""The trainer in small: a run that stops and resumes ends as one that never stopped; what is exported reads back.
Run with `python -m pytest` or plainly `python test_train.py`."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import configs
import corpus
import export
from evaluate import bits_per_byte

HERE = Path(__file__).parent
WORDS = "once upon a time there was an old king who had three sons and the youngest went into the wood".split()


def write_corpus(path, lines, seed):
    rng = np.random.default_rng(seed)
    path.write_text("\n".join(" ".join(rng.choice(WORDS, 30)) + "." for _ in range(lines)))


def train(folder, name, *more):
    command = [sys.executable, HERE / "train.py", "plm", "--tiny", "--eager", "--corpus", folder / "train.txt"]
    command += ["--valid", folder / "valid.txt", "--out", folder / name, "--steps", "8", "--batch", "4", *more]
    subprocess.run([str(c) for c in command], check=True, capture_output=True)


def test_a_resumed_run_ends_the_same():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_corpus(folder / "train.txt", 400, 1)
        write_corpus(folder / "valid.txt", 40, 2)
        train(folder, "whole")
        train(folder, "parts", "--stop-after", "3")
        train(folder, "parts")
        whole, parts = (load_file(folder / name / "final/model.safetensors") for name in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        for name in whole:
            assert torch.equal(whole[name], parts[name]), name


def test_an_epoch_sees_every_window_once():
    stream = np.arange(1000, dtype=np.uint16)
    batches = corpus.Batches(stream, 10, 4, seed=7)
    seen = [int(row[0]) for step in range(batches.steps_per_epoch) for row in batches(step)[0]]
    assert len(set(seen)) == len(seen) == batches.steps_per_epoch * 4
    assert torch.equal(corpus.Batches(stream, 10, 4, seed=7)(30)[0], batches(30)[0])
    tokens, targets = batches(0)
    assert torch.equal(tokens[:, 1:], targets[:, :-1])


def test_bits_per_byte_count_every_token_once():
    """A model that knows nothing spends log2(vocabulary) bits on each token, whatever the length of the text."""
    config = configs.TINY["llama"]
    model = export.build(config)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    for tokens in (65, 66, 97, 98, 400):
        bits = bits_per_byte(model, np.zeros(tokens, dtype=np.int64), 1, config["max_position_embeddings"], batch=2)
        assert abs(bits - 12 * (tokens - 1)) < 1e-3, tokens


def test_attention_is_causal_and_cut_into_blocks():
    """A later token changes nothing before it, also across the borders of blocks."""
    for config in configs.TINY.values():
        model = export.build(config)
        model.initialise(1)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(2)), alpha=0.05)
            tokens = torch.randint(1, config["vocab_size"], (1, 64))
            other = tokens.clone()
            other[0, 40:] = 5
            torch.testing.assert_close(model(tokens)[0, :40], model(other)[0, :40])


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
