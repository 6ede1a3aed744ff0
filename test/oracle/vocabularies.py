"""What the tokenizers' own libraries say: WordPiece of Hugging Face's `tokenizers`, unigrams of `sentencepiece`, and the
vocabulary of `rwkv`. Trains small vocabularies on a text, and writes them as a GGUF file has them, with the tokens of
given texts:  python vocabularies.py TALES TEXTS.json OUT.json
"""

import base64
import json
import os
import sys
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

tales, texts_file, out_file = sys.argv[1:4]
with open(tales, encoding="utf-8") as file:
    LINES = file.read().split("\n")[:6000]
with open(texts_file, encoding="utf-8") as file:
    TEXTS = json.load(file)
NORMAL, UNKNOWN, CONTROL = 1, 2, 3
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# What no tale has, so that it is not unknown in all texts.
MORE = ["naïve café İstanbul Straße ẞ ёлка й水木火 がぎぐ かきく 한국어 ᄒᆞᆫ àéîõü", "ﬁsh ① ½ … ’tis “said” — (so) #1 a▁b <s>"]


def wordpiece(lower: bool, strip: bool):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=strip)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=1200, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(LINES + MORE * 40, trainer)
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)
    # Without the template and the special tokens of the text: the pieces alone.
    plain = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    plain.normalizer, plain.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    phantom = [t if t in SPECIALS else t[2:] if t.startswith("##") else "\u2581" + t for t in tokens]
    return {
        "name": f"wordpiece, lower case {lower}, accents stripped {strip}",
        "source": "Hugging Face's tokenizers",
        "model": "bert",
        "tokens": phantom,
        "types": [CONTROL if t in SPECIALS else NORMAL for t in tokens],
        "keys": {
            "normalizer.lowercase": lower,
            "normalizer.strip_accents": strip,
            "cls_token_id": 2,
            "unknown_token_id": 1,
            "seperator_token_id": 3,
            "padding_token_id": 0,
            "mask_token_id": 4,
        },
        "ids": [e.ids for e in plain.encode_batch(TEXTS["others"], add_special_tokens=False)],
    }


def rules() -> str:
    """Rules of a small map: compatibility forms, compositions, kinds of white space; by Unicode's own data."""
    ranges = [(0xA0, 0x17F), (0x2000, 0x2046), (0x2100, 0x2138), (0x2460, 0x249A), (0xFB00, 0xFB06), (0xFF01, 0xFF5E)]
    rows = {}
    for low, high in ranges:
        for code_point in range(low, high + 1):
            one = chr(code_point)
            to = unicodedata.normalize("NFKC", one)
            if to != one:
                rows[one] = to
            apart = unicodedata.normalize("NFD", one)
            if len(apart) > 1:
                rows[apart] = one
    for space in "\t\n\r\u00a0\u3000\u2028":
        rows[space] = " "
    for nothing in "\u200b\u00ad\u0001":
        rows[nothing] = ""
    words = lambda text: " ".join(f"{ord(c):X}" for c in text)
    return "".join(f"{words(a)}\t{words(b)}\n" for a, b in sorted(rows.items()))


def unigram(joins: bool, prefix: bool):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "unigram")
        with open(path + ".tsv", "w", encoding="utf-8") as file:
            file.write(rules())
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES + MORE * 40),
            model_prefix=path,
            vocab_size=1200,
            model_type="unigram",
            normalization_rule_tsv=path + ".tsv",
            remove_extra_whitespaces=joins,
            add_dummy_prefix=prefix,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
        processor = sentencepiece.SentencePieceProcessor(model_file=path + ".model")
        proto = sentencepiece_model_pb2.ModelProto()
        with open(path + ".model", "rb") as file:
            proto.ParseFromString(file.read())
    return {
        "name": f"unigrams, spaces joined {joins}, a space in front {prefix}",
        "source": "sentencepiece",
        "model": "t5",
        "tokens": [p.piece for p in proto.pieces],
        "types": [p.type for p in proto.pieces],
        "scores": [p.score for p in proto.pieces],
        "keys": {"add_space_prefix": prefix, "remove_extra_whitespaces": joins},
        "charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode(),
        "ids": processor.encode(TEXTS["t5"], out_type=int),
    }


def rwkv():
    from rwkv.rwkv_tokenizer import TRIE_TOKENIZER

    data = "\n".join(LINES[:400] + MORE).encode()
    words = {bytes([byte]) for byte in range(256)}
    for i in range(0, len(data) - 12, 41):
        words.add(data[i : i + 2 + i % 9])
    for count in (2, 4, 8, 16, 32):
        words.add(b" " * count)
    words = sorted(words, key=lambda word: (len(word), word))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        for i, word in enumerate(words):
            file.write(f"{i + 1} {word!r} {len(word)}\n")
        file.flush()
        tokenizer = TRIE_TOKENIZER(file.name)
    return {
        "name": "rwkv",
        "source": "rwkv's own",
        "model": "rwkv",
        "tokens": ["<s>"] + [repr(word)[2:-1] for word in words],
        "types": [CONTROL] + [NORMAL] * len(words),
        "keys": {"bos_token_id": 0, "eos_token_id": 0},
        "ids": [tokenizer.encode(text) for text in TEXTS["others"]],
    }


ROWS = [
    wordpiece(True, True),
    wordpiece(False, False),
    wordpiece(True, False),
    unigram(True, True),
    unigram(False, True),
    unigram(True, False),
    rwkv(),
]
with open(out_file, "w", encoding="utf-8") as file:
    json.dump(ROWS, file)
