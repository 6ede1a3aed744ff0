"""The conformance check under wasmtime as a library: logits of tokens, all of them, as raw little-endian f32.

    python logits.py ENGINE WASM MODEL TOKENS OUT       ENGINE: cranelift or pulley64
"""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "embed-python"))
from generate import Limpet, Status  # noqa: E402
from limpet_numbers import Form, KvType  # noqa: E402
from wasmtime import Config, Engine  # noqa: E402


def logits(limpet, model, tokens):
    count = len(tokens)
    context = limpet.handle(limpet.call("context_create", limpet.core, model, count, count, count, 1, KvType.F16))
    limpet.call("context_set_form", context, Form.ABSORBED)
    words = lambda values: struct.pack(f"<{count}I", *values)  # noqa: E731
    limpet.write(limpet.call("context_ids", context), words(tokens))
    limpet.write(limpet.call("context_positions", context), words(range(count)))
    limpet.write(limpet.call("context_sequences", context), words([0] * count))
    limpet.write(limpet.call("context_wanted", context), bytes([1] * count))
    limpet.check(limpet.call("context_begin", context, count, 0, limpet.call("model_layers", model)))
    while limpet.check(limpet.call("context_step", context)) != Status.DONE:
        pass
    return limpet.read(limpet.call("context_logits", context), count * limpet.call("model_vocabulary", model) * 4)


def limpet_in(kind, wasm):
    """The core in an engine of this kind."""
    config = Config()
    if kind == "pulley64":
        config.target = kind
    return Limpet(wasm, Engine(config))


def main():
    kind, wasm, model, tokens, out = sys.argv[1:]
    limpet = limpet_in(kind, wasm)
    Path(out).write_bytes(logits(limpet, limpet.load(model), [int(token) for token in tokens.split(",")]))


if __name__ == "__main__":
    main()
