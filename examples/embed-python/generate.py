"""Generates text with limpet under wasmtime: the core has no imports, so an engine and a file are all it takes.

    pip install -r requirements.txt
    python generate.py MODEL.gguf "Once upon a time" [TOKENS]
"""

import os
import sys
from pathlib import Path

from wasmtime import Engine, Instance, Module, Store

BUILD = Path(__file__).parents[2] / "build"
WASM = BUILD / "limpet.wasm"
sys.path.append(str(BUILD))
from limpet_numbers import KvType, Status, TokenizeFlag  # noqa: E402


class Limpet:
    """The core: its exports as methods that take handles (numbers) and raise what a call refuses."""

    def __init__(self, wasm=WASM, engine=None):
        self.store = Store(engine or Engine())
        self.exports = Instance(self.store, Module.from_file(self.store.engine, str(wasm)), []).exports(self.store)
        self.core = self.call("core_create")

    def call(self, name, *arguments):
        return self.exports[name](self.store, *arguments)

    def check(self, status):
        if status < 0:
            length = self.call("error_message_length", self.core)
            raise RuntimeError(self.read(self.call("error_message", self.core), length).decode())
        return status

    def handle(self, handle):
        return handle if handle else self.check(-1)

    def read(self, pointer, length):  # pointers are unsigned and arrive signed
        start = pointer & 0xFFFFFFFF
        return bytes(self.exports["memory"].read(self.store, start, start + length))

    def write(self, pointer, data):
        self.exports["memory"].write(self.store, data, pointer & 0xFFFFFFFF)

    def put(self, data):
        pointer = self.handle(self.call("core_allocate", self.core, len(data)))
        self.write(pointer, data)
        return pointer

    def load(self, path):
        """A model: each step asks for a piece of the file until the weights are in place."""
        model = self.handle(self.call("model_create", self.core, 1, 0))
        self.check(self.call("model_set_file_size", model, 0, os.path.getsize(path)))
        with open(path, "rb") as file:
            while (status := self.check(self.call("model_step", model))) != Status.DONE:
                if status == Status.NEED_DATA:
                    file.seek(self.call("model_request_offset", model))
                    piece = file.read(self.call("model_request_length", model))
                    self.write(self.call("model_request_destination", model), piece)
        return model

    def generate(self, model, prompt, tokens):
        """Pieces of text, greedily chosen. A context of 512 tokens, chunks of 64, keys and values as F16."""
        context = self.handle(self.call("context_create", self.core, model, 512, 64, 1, 1, KvType.F16))
        session = self.handle(self.call("session_create", self.core, context, 0))
        text = prompt.encode()
        flags = TokenizeFlag.ADD_SPECIAL | TokenizeFlag.PARSE_SPECIAL
        self.check(self.call("session_append_text", session, self.put(text), len(text), flags))
        self.check(self.call("session_begin", session, tokens, 0, 0))
        while (status := self.check(self.call("session_step", session))) != Status.DONE:
            if status == Status.TOKEN:
                yield self.read(self.call("session_text", session), self.call("session_text_length", session)).decode()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    limpet = Limpet()
    for piece in limpet.generate(limpet.load(sys.argv[1]), sys.argv[2], int((sys.argv[3:] or [64])[0])):
        print(piece, end="", flush=True)
    print()
