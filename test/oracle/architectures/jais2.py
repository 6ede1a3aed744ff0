"""jais2: nemotron with biases."""

from architectures.nemotron import forward

__all__ = ["forward"]
