"""Composition as docs/long-contexts.md has it (CacheBlend, arXiv:2405.16444, with another choice), in numpy, over the
oracle's own layers: rows of pieces that were read each by itself, their keys turned to where they stand; texts between
get rows; the last tokens of the text behind, or of the pieces, say which tokens they attend to; those, and the texts, go
through all layers. A token at position p sees the rows at positions up to p.

    python composed.py MODEL CASE.json --out RESULT.json

CASE.json: lead (ids), pieces (lists of ids), texts (ids before each piece, and behind the last), share. The result has
the chosen tokens' positions and the logits of the last token, in float64.
"""

import argparse
import json

import numpy as np
from attention import linear, projections
from feed_forward import gated, relu_squared
from latent import sizes
from norms import rms_norm
from reading import File
from rotation import Rope, turn
from skeleton import head


def turned(rope, x, positions, first=0):
    """x [tokens, heads, size], each token turned by its position; `rope.turned` values from `first` on."""
    end = first + rope.turned
    parts = [turn(np.repeat(row[None], 2, axis=0), rope.frequencies * p, rope.paired)[1:] for row, p in zip(x[..., first:end], positions)]
    return np.concatenate([x[..., :first], np.concatenate(parts), x[..., end:]], axis=-1)


class Grouped:
    """Rows of keys and values, that groups of heads share."""

    def __init__(self, file):
        heads = file.number("attention.head_count")
        self.rope = Rope(file, file.number("attention.key_length", file.number("embedding_length") // heads), paired=True)
        self.file, self.feed = file, gated

    def rows(self, block, a, positions):
        q, k, v = projections(self.file, block, a)
        return turned(self.rope, q, positions), {"key": turned(self.rope, k, positions), "value": v}

    def moved(self, rows, delta):
        return {**rows, "key": turned(self.rope, rows["key"], np.full(len(rows["key"]), delta))}

    def attend(self, block, q, rows, positions):
        return seen(q, rows["key"], rows["value"], positions, q.shape[2] ** -0.5)


class Latent:
    """Rows of a latent and a rope key."""

    def __init__(self, file):
        self.rope = Rope(file, file.number("rope.dimension_count"), paired=True)
        self.file, self.feed = file, relu_squared
        self.size, self.value = sizes(file)
        self.nope = self.size - file.number("rope.dimension_count")
        self.epsilon = file.number("attention.layer_norm_rms_epsilon")

    def rows(self, block, a, positions):
        rank = self.file.number("attention.kv_lora_rank")
        q = (a @ self.file.rows(f"{block}attn_q.weight").T).reshape(len(a), -1, self.size)
        both = a @ self.file.rows(f"{block}attn_kv_a_mqa.weight").T
        latent = rms_norm(both[:, :rank], self.file.rows(f"{block}attn_kv_a_norm.weight"), self.epsilon)
        key = turned(self.rope, both[:, None, rank:], positions)
        return turned(self.rope, q, positions, self.nope), {"key": key, "value": latent}

    def moved(self, rows, delta):
        return {**rows, "key": turned(self.rope, rows["key"], np.full(len(rows["key"]), delta))}

    def attend(self, block, q, rows, positions):
        both = (rows["value"] @ self.file.rows(f"{block}attn_kv_b.weight").T).reshape(len(rows["key"]), q.shape[1], -1)
        k = np.concatenate([both[..., : self.nope], np.repeat(rows["key"], q.shape[1], axis=1)], axis=-1)
        return seen(q, k, both[..., self.nope :], positions, self.size**-0.5)


def seen(q, k, v, positions, scale):
    """Attention of q [queries, heads, size] at `positions` over rows at 0, 1, 2 …"""
    k, v = (np.repeat(y, q.shape[1] // y.shape[1], axis=1) for y in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) * scale
    scores[:, np.arange(len(k))[None, :] > np.asarray(positions)[:, None]] = -np.inf
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v).reshape(len(q), -1), scores.sum(axis=(0, 1))


class Pass:
    """Tokens on their way through the layers of a model."""

    def __init__(self, file, kind, ids, positions):
        self.file, self.kind = file, kind
        self.epsilon = file.number("attention.layer_norm_rms_epsilon")
        self.x = file.rows("token_embd.weight", np.array(ids))
        self.positions = np.array(positions)

    def rows(self, layer):
        """The queries of a layer, and the rows that its tokens have there."""
        block = f"blk.{layer}."
        return self.kind.rows(block, rms_norm(self.x, self.file.rows(f"{block}attn_norm.weight"), self.epsilon), self.positions)

    def attend(self, layer, q, rows):
        """What is left of a layer; gives what its tokens attend to of each row."""
        block = f"blk.{layer}."
        out, mass = self.kind.attend(block, q, rows, self.positions)
        self.x = self.x + linear(self.file, f"{block}attn_output", out)
        m = rms_norm(self.x, self.file.rows(f"{block}ffn_norm.weight"), self.epsilon)
        self.x = self.x + self.kind.feed(self.file, block, m)
        return mass


def replaced(rows, at, fresh):
    out = {name: value.copy() for name, value in rows.items()}
    for name, value in fresh.items():
        out[name][at] = value
    return out


def read(file, kind, ids):
    """The rows of all layers of a text by itself."""
    tokens = Pass(file, kind, ids, range(len(ids)))
    layers = []
    for layer in range(file.number("block_count")):
        q, rows = tokens.rows(layer)
        tokens.attend(layer, q, rows)
        layers.append(rows)
    return layers


def compose(file, kind, lead, pieces, texts, share):
    layers = file.number("block_count")
    stored = [[] for _ in range(layers)]
    ids, is_text, first = list(lead), [], len(lead)
    alone = [read(file, kind, lead + piece) for piece in pieces]
    for layer in range(layers):
        stored[layer].append({name: value[: len(lead)] for name, value in alone[0][layer].items()})
    for piece, text, rows in zip(pieces, texts, alone):
        ids += text
        is_text += [True] * len(text)
        for layer in range(layers):
            part = {name: value[len(lead) :] for name, value in rows[layer].items()}
            blank = {name: np.zeros((len(text), *value.shape[1:])) for name, value in part.items()}
            stored[layer] += [blank, kind.moved(part, len(ids) - len(lead))]
        ids += piece
        is_text += [False] * len(piece)
    # The lead is exact, and so is a piece right behind it.
    exact = first + (len(pieces[0]) if not texts[0] else 0)
    is_text = np.array([False] * first + is_text + [True] * len(texts[-1]))
    ids += texts[-1]
    count = len(ids)
    rows = []
    for parts in stored:
        parts.append({name: np.zeros((len(texts[-1]), *value.shape[1:])) for name, value in parts[0].items()})
        rows.append({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    joined = count - len(texts[-1])
    candidates = [i for i in range(exact, joined) if not is_text[i]]
    texts_between = [i for i in range(exact, joined) if is_text[i]]
    wanted = int(share * len(candidates))

    def through(going):
        """These tokens through all layers, over the rows, which become theirs."""
        tokens = Pass(file, kind, [ids[i] for i in going], going)
        mass = np.zeros(count)
        for layer in range(layers):
            q, own = tokens.rows(layer)
            rows[layer] = replaced(rows[layer], going, own)
            seen_of = {name: value[: going[-1] + 1] for name, value in rows[layer].items()}
            attended = tokens.attend(layer, q, seen_of)
            if layer > 0:
                mass[: len(attended)] += attended
        return tokens, mass

    chosen, gap = candidates, None
    if texts_between:
        through(texts_between)
    if wanted < len(candidates):
        chosen = []
        if wanted > 0:
            end = count if texts[-1] else joined
            look = list(range(end - min(64, len(texts[-1]) or wanted), end))
            before = [{name: value.copy() for name, value in layer.items()} for layer in rows]
            mass = through(look)[1]
            # Of the text behind the rows go again.
            if texts[-1]:
                rows = before
            mass[[i for i in look if i < joined]] = np.inf
            order = sorted(candidates, key=lambda i: (-mass[i], i))
            chosen, gap = sorted(order[:wanted]), float(mass[order[wanted - 1]] - mass[order[wanted]])
    tokens, _ = through(sorted([*chosen, *texts_between, *range(joined, count)]))
    logits = head(file, rms_norm(tokens.x[-1:], file.rows("output_norm.weight"), tokens.epsilon))
    return {
        "chosen": [int(i) for i in chosen],
        "gap": gap,
        "logits": [float(value) for value in logits[0]],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("case")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    with open(options.case, encoding="utf-8") as source:
        case = json.load(source)
    file = File(options.model, np.float64)
    kind = {"llama": Grouped, "plm": Latent}[file.architecture](file)
    with open(options.out, "w", encoding="utf-8") as target:
        json.dump(compose(file, kind, **case), target)


if __name__ == "__main__":
    main()
