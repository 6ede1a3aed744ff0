"""memory_cpu.c as PyTorch operators that torch.compile passes by: built on import with the C compiler (`cc`).

`hashed(x, bits)` -> rows, weight and `gathered(table, rows, weight)` -> y.
"""

import ctypes
import hashlib
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("memory_cpu.c")
FLAGS = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
if platform.machine() == "x86_64":
    FLAGS.append("-mprefer-vector-width=512")
WIDEST = 4096  # entries of a row, as in the source


def build():
    """The loops as a shared library, built once a version of the source; None where there is no compiler."""
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    built = Path(tempfile.gettempdir()) / f"memory-cpu-{key}.so"
    try:
        if not built.exists():
            fresh = built.with_suffix(f".{os.getpid()}")
            subprocess.run(["cc", *FLAGS, "-o", fresh, SOURCE, "-lm"], check=True)
            fresh.rename(built)
        return ctypes.CDLL(str(built))
    except (OSError, subprocess.CalledProcessError):
        return None


LIBRARY = build()
AVAILABLE = LIBRARY is not None


def at(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def size(value):
    return ctypes.c_int64(value)


@torch.library.custom_op("limpet::hash", mutates_args=())
def hashed(x: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    x, n, tables = x.contiguous(), x.shape[0], x.shape[1] // bits
    if x.shape[1] > WIDEST:
        raise ValueError(f"memory_cpu.c hashes rows of {WIDEST} entries at most")
    rows, weight = torch.empty(n, tables, dtype=torch.int64), torch.empty(n, tables)
    LIBRARY.hash_forward(at(x), size(n), size(tables), size(bits), at(rows), at(weight))
    return rows, weight


@hashed.register_fake
def _(x, bits):
    shape = (x.shape[0], x.shape[1] // bits)
    return x.new_empty(shape, dtype=torch.int64), x.new_empty(shape)


@torch.library.custom_op("limpet::hash_backward", mutates_args=())
def hashed_backward(x: torch.Tensor, dweight: torch.Tensor, bits: int) -> torch.Tensor:
    x, dweight = x.contiguous(), dweight.contiguous()
    n, tables, dx = x.shape[0], x.shape[1] // bits, torch.empty_like(x)
    LIBRARY.hash_backward(at(x), at(dweight), size(n), size(tables), size(bits), at(dx))
    return dx


@hashed_backward.register_fake
def _(x, dweight, bits):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def keep_hash(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])
    ctx.bits = inputs[1]
    ctx.mark_non_differentiable(output[0])


def hash_gradient(ctx, _, dweight):
    return hashed_backward(ctx.saved_tensors[0], dweight, ctx.bits), None


hashed.register_autograd(hash_gradient, setup_context=keep_hash)


@torch.library.custom_op("limpet::gather", mutates_args=())
def gathered(table: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    (n, tables), d, weight = rows.shape, table.shape[1], weight.contiguous()
    y = torch.empty(n, d)
    LIBRARY.gather_forward(at(table), at(rows), at(weight), size(n), size(tables), size(d), at(y))
    return y


@gathered.register_fake
def _(table, rows, weight):
    return table.new_empty(rows.shape[0], table.shape[1])


@torch.library.custom_op("limpet::gather_backward", mutates_args=())
def gathered_backward(
    table: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor, g: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    g, weight, (n, tables), d = g.contiguous(), weight.contiguous(), rows.shape, table.shape[1]
    dtable, dweight = torch.empty_like(table), torch.empty_like(weight)
    LIBRARY.gather_backward(
        at(table), at(rows), at(weight), at(g), size(n), size(tables), size(table.shape[0] // tables), size(d),
        at(dtable), at(dweight),
    )
    return dtable, dweight


@gathered_backward.register_fake
def _(table, rows, weight, g):
    return torch.empty_like(table), torch.empty_like(weight)


def keep_gather(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def gather_gradient(ctx, g):
    table, rows, weight = ctx.saved_tensors
    dtable, dweight = gathered_backward(table, rows, weight, g)
    return dtable, None, dweight


gathered.register_autograd(gather_gradient, setup_context=keep_gather)
