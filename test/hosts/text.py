"""Greedy text under wasmtime as a library:  python text.py ENGINE WASM MODEL PROMPT TOKENS    (cranelift or pulley64)"""

import sys

from logits import limpet_in


def main():
    kind, wasm, model, prompt, tokens = sys.argv[1:]
    limpet = limpet_in(kind, wasm)
    print("".join(limpet.generate(limpet.load(model), prompt, int(tokens))))


if __name__ == "__main__":
    main()
