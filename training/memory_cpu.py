"""memory_cpu.c as PyTorch operators that torch.compile passes by: built on first use with the C compiler (`cc`).

`hashed(x, bits)` -> rows, flips, weight and `gathered(table, rows, flips, weight)` -> y; the gradient of
the straight-through term travels as the gradient of `flip_weight`, a tensor of zeros that y does not read.
"""

import ctypes
import hashlib
import subprocess
import tempfile
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("memory_cpu.c")
FLAGS = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
straight_through = 0.0
_library = None


def library():
    global _library
    if _library is None:
        key = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
        built = Path(tempfile.gettempdir()) / f"memory-cpu-{key}.so"
        if not built.exists():
            subprocess.run(["cc", *FLAGS, "-o", str(built) + ".new", str(SOURCE), "-lm"], check=True)
            Path(str(built) + ".new").rename(built)
        _library = ctypes.CDLL(str(built))
    return _library


def available():
    try:
        return bool(library())
    except (OSError, subprocess.CalledProcessError):
        return False


def at(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def size(value):
    return ctypes.c_int64(value)


@torch.library.custom_op("limpet::hash", mutates_args=())
def _hash(x: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    x, n, tables = x.contiguous(), x.shape[0], x.shape[1] // bits
    rows, flips = (torch.empty(n, tables, dtype=torch.int64) for _ in range(2))
    weight = torch.empty(n, tables)
    library().hash_forward(at(x), size(n), size(tables), size(bits), at(rows), at(flips), at(weight))
    return rows, flips, weight, torch.zeros(n, tables)


@_hash.register_fake
def _(x, bits):
    shape = (x.shape[0], x.shape[1] // bits)
    rows = x.new_empty(shape, dtype=torch.int64)
    return rows, torch.empty_like(rows), x.new_empty(shape), x.new_empty(shape)


@torch.library.custom_op("limpet::hash_backward", mutates_args=())
def _hash_backward(
    x: torch.Tensor, dweight: torch.Tensor, difference: torch.Tensor, straight: float, bits: int
) -> torch.Tensor:
    x, dweight, difference = x.contiguous(), dweight.contiguous(), difference.contiguous()
    n, tables, dx = x.shape[0], x.shape[1] // bits, torch.empty_like(x)
    library().hash_backward(
        at(x), at(dweight), at(difference), ctypes.c_float(straight), size(n), size(tables), size(bits), at(dx)
    )
    return dx


@_hash_backward.register_fake
def _(x, dweight, difference, straight, bits):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _keep_hash(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])
    ctx.bits = inputs[1]
    ctx.mark_non_differentiable(output[0], output[1])


def _hash_gradient(ctx, _rows, _flips, dweight, difference):
    (x,) = ctx.saved_tensors
    return _hash_backward(x, dweight, difference, straight_through, ctx.bits), None


_hash.register_autograd(_hash_gradient, setup_context=_keep_hash)


@torch.library.custom_op("limpet::gather", mutates_args=())
def _gather(
    table: torch.Tensor, rows: torch.Tensor, flips: torch.Tensor, weight: torch.Tensor, flip_weight: torch.Tensor
) -> torch.Tensor:
    n, tables = rows.shape
    y = torch.empty(n, table.shape[1])
    library().gather_forward(at(table), at(rows), at(weight), size(n), size(tables), size(table.shape[1]), at(y))
    return y


@_gather.register_fake
def _(table, rows, flips, weight, flip_weight):
    return table.new_empty(rows.shape[0], table.shape[1])


@torch.library.custom_op("limpet::gather_backward", mutates_args=())
def _gather_backward(
    table: torch.Tensor, rows: torch.Tensor, flips: torch.Tensor, weight: torch.Tensor, g: torch.Tensor, flip: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g, (n, tables) = g.contiguous(), rows.shape
    dtable, dweight, difference = torch.zeros_like(table), torch.empty_like(weight), torch.zeros_like(weight)
    library().gather_backward(
        at(table), at(rows), at(flips), at(weight), at(g), size(n), size(tables), size(table.shape[1]),
        at(dtable), at(dweight), at(difference) if flip else None,
    )  # fmt: skip
    return dtable, dweight, difference


@_gather_backward.register_fake
def _(table, rows, flips, weight, g, flip):
    return torch.empty_like(table), torch.empty_like(weight), torch.empty_like(weight)


def _keep_gather(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:4])


def _gather_gradient(ctx, g):
    table, rows, flips, weight = ctx.saved_tensors
    dtable, dweight, difference = _gather_backward(table, rows, flips, weight, g, straight_through != 0)
    return dtable, None, None, dweight, difference


_gather.register_autograd(_gather_gradient, setup_context=_keep_gather)


def hashed(x, bits):
    return _hash(x, bits)


def gathered(table, rows, flips, weight, flip_weight):
    return _gather(table, rows, flips, weight, flip_weight)
