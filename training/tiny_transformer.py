"""Trains the Tiny Transformer for sound (test/support/networks/tiny-transformer.ts) on a set of limpet's own making.

    node --import tsx training/sounds.ts make runs/sounds           # 6,000 sounds of ten kinds, as features
    python training/tiny_transformer.py runs/sounds                 # a minute of one core
    node --import tsx training/sounds.ts export runs/sounds test/fixtures/sounds-tiny-transformer.tflite
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

SPAN, WIDTH, HEADS, BLOCKS, INNER, FRAMES, CHANNELS = 7, 16, 2, 2, 32, 49, 40
EPOCHS, BATCH, RATE = 60, 64, 3e-3


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class TinyTransformer(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.embed = nn.Linear(CHANNELS, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(1, FRAMES // SPAN, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x):
        x = self.embed(x.reshape(len(x), FRAMES // SPAN, SPAN, CHANNELS).mean(2)) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def sounds(folder, name):
    features = np.fromfile(folder / f"{name}.f32", np.float32).reshape(-1, FRAMES, CHANNELS)
    kinds = np.fromfile(folder / f"{name}.u8", np.uint8).astype(np.int64)
    return torch.tensor(features), torch.tensor(kinds)


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    train, valid = sounds(folder, "train"), sounds(folder, "valid")
    model = TinyTransformer(int(train[1].max()) + 1)
    steps = EPOCHS * (len(train[0]) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps)
    for epoch in range(EPOCHS):
        model.train()
        for batch in torch.randperm(len(train[0])).split(BATCH)[: steps // EPOCHS]:
            loss = F.cross_entropy(model(train[0][batch]), train[1][batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = (model(valid[0]).argmax(1) == valid[1]).float().mean().item()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {100 * right:.1f} % right")
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    save_file(model.state_dict(), folder / "weights.safetensors")


if __name__ == "__main__":
    main()
