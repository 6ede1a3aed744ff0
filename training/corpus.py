"""The corpus: a byte-level BPE tokenizer, the token stream, and the order in which training sees it.

One paragraph a line. A heading (a short line without a lower-case letter) begins a new document, and
<|endoftext|> stands before it; it is the only special token and serves as bos, eos and separator.
Batches are a pure function of (seed, step): a run that resumes sees what it would have seen.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT = "<|endoftext|>"


def is_heading(line):
    return 0 < len(line) < 70 and line.upper() == line and any(c.isalpha() for c in line)


def train_tokenizer(text_path, folder, vocab_size):
    """GPT-2's scheme: byte-level BPE behind GPT-2's splitting expression (`tokenizer.ggml.pre` = "gpt-2")."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train([str(text_path)], trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "GPT2Tokenizer",
                "add_prefix_space": False,
                "add_bos_token": False,
                "bos_token": END_OF_TEXT,
                "eos_token": END_OF_TEXT,
                "unk_token": END_OF_TEXT,
                "model_max_length": 512,
            },
            indent=2,
        )
        + "\n"
    )
    return tokenizer


def load_tokenizer(text_path, folder, vocab_size):
    """The tokenizer of this corpus, trained on first use and kept in `folder`."""
    folder = Path(folder)
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    return train_tokenizer(text_path, folder, vocab_size)


def encode_documents(tokenizer, text_path, cache_folder):
    """The training stream: the whole text with <|endoftext|> before each document (cached as .npy)."""
    text = Path(text_path).read_text(encoding="utf-8")
    key = hashlib.sha256((text + tokenizer.to_str()).encode()).hexdigest()[:16]
    cache = Path(cache_folder) / f"tokens-{key}.npy"
    if cache.exists():
        return np.load(cache)
    documents, current = [], []
    for line in text.split("\n"):
        if is_heading(line) and current and not is_heading(current[-1]):
            documents.append("\n".join(current) + "\n")
            current = []
        current.append(line)
    documents.append("\n".join(current))
    end = tokenizer.token_to_id(END_OF_TEXT)
    ids = []
    for encoding in tokenizer.encode_batch(documents):
        ids.append(end)
        ids.extend(encoding.ids)
    stream = np.array(ids, dtype=np.uint16)
    np.save(cache, stream)
    return stream


def encode_plain(tokenizer, text_path):
    """The text alone behind one <|endoftext|>: what bits per byte are measured on. Returns (ids, bytes)."""
    text = Path(text_path).read_text(encoding="utf-8")
    ids = [tokenizer.token_to_id(END_OF_TEXT)] + tokenizer.encode(text).ids
    return np.array(ids, dtype=np.int64), len(text.encode("utf-8"))


class Batches:
    """Windows of `length` + 1 tokens. Every epoch cuts the stream at a new phase and shuffles the windows,
    so that an epoch sees each token once and no two epochs cut alike."""

    def __init__(self, stream, length, batch, seed):
        self.stream, self.length, self.batch, self.seed = stream, length, batch, seed
        self.steps_per_epoch = ((len(stream) - 1) // length - 1) // batch
        self._epoch = -1

    def __call__(self, step):
        epoch, inside = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            phase = int(rng.integers(self.length))
            self._starts = phase + self.length * rng.permutation(self.steps_per_epoch * self.batch)
            self._epoch = epoch
        starts = self._starts[inside * self.batch : (inside + 1) * self.batch]
        rows = np.stack([self.stream[s : s + self.length + 1] for s in starts]).astype(np.int64)
        rows = torch.from_numpy(rows)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
