"""Reads a GGUF file: metadata, and tensors that PyPI's gguf package dequantises."""

from gguf import GGUFReader
from gguf.quants import dequantize


class File:
    """Metadata and dequantised tensors of a GGUF file."""

    def __init__(self, path, dtype, context=0):
        self.reader = GGUFReader(path)
        self.dtype = dtype
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        self.architecture = self.value("general.architecture")
        # Tokens that there is room for: the model's where nobody says.
        self.context = context or self.number("context_length")

    def value(self, key, default=None):
        field = self.reader.get_field(key)
        return default if field is None else field.contents()

    def number(self, name, default=None):
        return self.value(f"{self.architecture}.{name}", default)

    def number_of(self, name, layer, default=None):
        """A number of a layer: of a list its element, else the one of all."""
        value = self.number(name, default)
        return value[layer] if isinstance(value, list) else value

    def rows(self, name, selection=slice(None)):
        tensor = self.tensors[name]
        return dequantize(tensor.data[selection], tensor.tensor_type).astype(self.dtype)

    def optional(self, name):
        return self.rows(name) if name in self.tensors else None
