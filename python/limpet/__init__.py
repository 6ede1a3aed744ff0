"""limpet: small language models under wasmtime, with the same bits as in every other host.

    from limpet import Model
    model = Model("model.gguf")
    for piece in model.generate("Once upon a time", max_tokens=50):
        print(piece, end="", flush=True)
"""

from .batch import Embed, Generate
from .core import Core, LimpetError
from .graph import Graph, GraphTensorType, Memory, Plan, Tensor
from .model import Generation, Message, Model, Options, Prompt, Result

__all__ = [
    "Core",
    "Embed",
    "Generate",
    "Generation",
    "Graph",
    "GraphTensorType",
    "LimpetError",
    "Memory",
    "Message",
    "Model",
    "Options",
    "Plan",
    "Prompt",
    "Result",
    "Tensor",
]
