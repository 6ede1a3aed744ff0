"""The memory layer against the formulas written out in float64, and its gradients against finite differences.
Run with `python -m pytest` or plainly `python test_memory.py`."""

import numpy as np
import torch

import configs
import export
import memory_cpu
from memory import MemoryLayer, codes, weights

TABLES, BITS, OUTPUTS = 3, 4, 5


def by_formula(x, table, bias, rule, temperature):
    """One row at a time, in numpy's float64, straight from the definition."""
    result = []
    for row in x:
        y = bias.copy()
        for k in range(TABLES):
            z = row[k * BITS : (k + 1) * BITS]
            code = sum(int(z[j] >= 0) << (BITS - 1 - j) for j in range(BITS))
            if rule == "score":
                w = np.abs(z).sum() / np.prod(1 + np.exp(-2 * np.abs(z)))
            else:
                w = 1 / np.prod(1 + np.exp(-2 * np.abs(z) / temperature))
            y += w * table[k * 2**BITS + code]
        result.append(y)
    return np.array(result)


def layer_and_input(seed):
    generator = torch.Generator().manual_seed(seed)
    layer = MemoryLayer(TABLES, BITS, OUTPUTS).double()
    with torch.no_grad():
        layer.table.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
    return layer, torch.randn(7, TABLES * BITS, generator=generator, dtype=torch.float64)


def test_forward():
    for rule, temperature in (("score", 1.0), ("prob", 1.0), ("prob", 0.25)):
        layer, x = layer_and_input(3)
        x[0, :3] = torch.tensor([0.0, -0.0, 5e-324])
        x[1, 4:6] = torch.tensor([1e300, -700.0])
        y = layer(codes(x, BITS), weights(x, BITS, rule, temperature)).detach().numpy()
        expected = by_formula(x.numpy(), layer.table.detach().numpy(), layer.bias.detach().numpy(), rule, temperature)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


def test_gradients():
    """No input lies near zero, where the code jumps: there finite differences would see the other row."""
    layer, x = layer_and_input(4)
    x = (x + 0.05 * x.sign()).requires_grad_()
    for rule in ("score", "prob"):
        run = lambda x, table, bias: torch.nn.functional.embedding_bag(  # noqa: E731
            codes(x, BITS), table, per_sample_weights=weights(x, BITS, rule, 0.5), mode="sum"
        ) + bias
        assert torch.autograd.gradcheck(run, (x, layer.table, layer.bias))


def test_weight_derivative_is_the_published_one():
    """dw/da_j = 1/D + w · 2e^(-2a_j) / (1 + e^(-2a_j)), times the sign of z_j."""
    _, x = layer_and_input(5)
    x.requires_grad_()
    weights(x, BITS).sum().backward()
    z = x.detach().numpy().reshape(7, TABLES, BITS)
    a = np.abs(z)
    d = np.prod(1 + np.exp(-2 * a), -1, keepdims=True)
    w = a.sum(-1, keepdims=True) / d
    expected = np.sign(z) * (1 / d + w * 2 * np.exp(-2 * a) / (1 + np.exp(-2 * a)))
    np.testing.assert_allclose(x.grad.numpy(), expected.reshape(7, -1), rtol=1e-12, atol=1e-12)


def test_native_loops_equal_the_formulas():
    """memory_cpu.c in float32 against PyTorch in float64, values and gradients; codes to the bit. The second shape has
    columns for several of the loops (20 lines of 16, one, and five columns more) and a pass for each table."""
    for tables, bits, outputs in ((TABLES, BITS, OUTPUTS), (3, 9, 341)):
        generator = torch.Generator().manual_seed(6)
        x, table = torch.randn(7, tables * bits, generator=generator), torch.randn(tables << bits, outputs)
        x[0, :3] = torch.tensor([0.0, -0.0, 1e-30])
        towards = torch.randn(7, outputs, generator=generator)
        results = []
        for kind in (torch.float64, torch.float32):
            t, z = (given.to(kind, copy=True).requires_grad_() for given in (table, x))
            if kind == torch.float32:
                rows, weight = memory_cpu.hashed(z, bits)
                y = memory_cpu.gathered(t, rows, weight)
            else:
                rows, weight = codes(z, bits), weights(z, bits)
                y = torch.nn.functional.embedding_bag(rows, t, per_sample_weights=weight, mode="sum")
            (y * towards.to(kind)).sum().backward()
            results.append((rows, y.detach(), t.grad, z.grad))
        assert torch.equal(results[0][0], results[1][0])
        for exact, got in zip(results[0][1:], results[1][1:]):
            np.testing.assert_allclose(got.double().numpy(), exact.numpy(), rtol=2e-5, atol=2e-5 * exact.abs().max())


def test_every_parameter_learns():
    for name, config in configs.TINY.items():
        model = export.build(config)
        model.initialise(1)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.01)
        tokens = torch.randint(1, config["vocab_size"], (2, 33))
        torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
        for parameter, p in model.named_parameters():
            assert p.grad is not None and p.grad.abs().sum() > 0, (name, parameter)


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
