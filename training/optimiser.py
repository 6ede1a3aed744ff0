"""Muon for the hidden matrices, AdamW for the rest.

Muon replaces the momentum of a matrix by the nearest semi-orthogonal matrix (Jordan et al., 2024), found by
five Newton-Schulz steps; at this scale it needs about half of Adam's tokens. Matrices of one shape are stacked
so that eight layers cost one batched product.
"""

import torch

# The odd quintic whose iteration drives every singular value from (0, 1] into about [0.7, 1.2].
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalise(stack, compute):
    """Newton-Schulz on a [n, rows, columns] stack."""
    wide = stack.shape[1] <= stack.shape[2]
    x = stack if wide else stack.transpose(1, 2)
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(compute)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = A * x + (B * gram + C * (gram @ gram)) @ x
    return x if wide else x.transpose(1, 2)


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0, compute=torch.bfloat16):
        groups = {}
        for p in parameters:
            groups.setdefault(tuple(p.shape), []).append(p)
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([{"params": ps} for ps in groups.values()], defaults)
        self.compute = compute

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            updates = []
            for p in group["params"]:
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                updates.append(torch.lerp(p.grad, state["momentum"], group["momentum"]))
            rows, columns = group["params"][0].shape
            rate = group["lr"] * max(1, rows / columns) ** 0.5
            for p, update in zip(group["params"], orthogonalise(torch.stack(updates), self.compute)):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update.to(p.dtype), alpha=-rate)


def build(model, muon_rate, adam_rate, weight_decay, compute):
    """The two optimisers of a model: [Muon over hidden matrices, AdamW over embeddings, heads, norms, tables]."""
    hidden, rest = [], []
    for name, p in model.named_parameters():
        matrix = p.dim() == 2 and "embed_tokens" not in name and "lm_head" not in name and ".table" not in name
        (hidden if matrix else rest).append(p)
    optimisers = [torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=True)]
    if hidden:
        optimisers.append(Muon(hidden, lr=muon_rate, weight_decay=weight_decay, compute=compute))
    return optimisers
