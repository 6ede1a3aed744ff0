"""The conformance check under wasmtime as a library: logits of tokens, all of them, as raw little-endian f32.

    python logits.py ENGINE WASM MODEL TOKENS OUT       ENGINE: cranelift or pulley64; limpet's wheel is in PYTHONPATH
"""

import struct
import sys
from pathlib import Path

from limpet import Core
from limpet.numbers import Form, KvType, Status
from wasmtime import Config, Engine


def logits(core, model, tokens):
    count = len(tokens)
    context = core.handle(core.call("context_create", core.pointer, model, count, count, count, 1, KvType.F16))
    core.call("context_set_form", context, Form.ABSORBED)
    words = lambda values: struct.pack(f"<{count}I", *values)  # noqa: E731
    core.write(core.call("context_ids", context), words(tokens))
    core.write(core.call("context_positions", context), words(range(count)))
    core.write(core.call("context_sequences", context), words([0] * count))
    core.write(core.call("context_wanted", context), bytes([1] * count))
    core.check(core.call("context_begin", context, count, 0, core.call("model_layers", model)))
    while core.check(core.call("context_step", context)) != Status.DONE:
        pass
    return core.read(core.call("context_logits", context), count * core.call("model_vocabulary", model) * 4)


def engine_of(kind):
    """An engine that compiles, or one that interprets."""
    config = Config()
    if kind == "pulley64":
        config.target = kind
    return Engine(config)


def main():
    kind, wasm, model, tokens, out = sys.argv[1:]
    core = Core(wasm, engine_of(kind))
    Path(out).write_bytes(logits(core, core.load(model), [int(token) for token in tokens.split(",")]))


if __name__ == "__main__":
    main()
