"""starcoder: gpt2, whose heads share one head of keys and values."""

from architectures.gpt2 import forward

__all__ = ["forward"]
