"""deepseek: llama with experts behind its first layers, and shared ones beside them."""

from architectures.bailingmoe import forward

__all__ = ["forward"]
