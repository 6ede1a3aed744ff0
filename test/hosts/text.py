"""Greedy text under wasmtime as a library:  python text.py ENGINE WASM MODEL PROMPT TOKENS    (cranelift or pulley64)"""

import sys

from limpet import Model
from logits import engine_of


def main():
    kind, wasm, model, prompt, tokens = sys.argv[1:]
    print(Model(model, wasm=wasm, engine=engine_of(kind)).generate(prompt, max_tokens=int(tokens), special=True).text())


if __name__ == "__main__":
    main()
