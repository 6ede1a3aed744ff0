"""Networks of papers by PyTorch's modules: outputs in float64 as JSON on stdout.

    python networks.py NAME WEIGHTS.safetensors INPUT.f32 SHAPE.json

timm has MnasNet-A1 and TinyViT. CCT is written down here from its paper and its authors' description, in torch.nn's parts.
"""

import json
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class CctAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))


class CctBlock(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.pre_norm, self.norm1 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = CctAttention(width, heads)
        self.linear1, self.linear2 = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, x):
        x = self.norm1(x + self.self_attn(self.pre_norm(x)))
        return x + self.linear2(F.gelu(self.linear1(x)))


class CctTokenizer(nn.Module):
    def __init__(self, convolutions, width):
        super().__init__()
        sizes = [3] + [64] * (convolutions - 1) + [width]
        self.conv_layers = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(sizes[i], sizes[i + 1], 3, 1, 1, bias=False)]) for i in range(convolutions)
        )

    def forward(self, x):
        for (conv,) in self.conv_layers:
            x = F.max_pool2d(F.relu(conv(x)), 3, 2, 1)
        return x.flatten(2).transpose(1, 2)


class CctClassifier(nn.Module):
    def __init__(self, tokens, width, blocks, heads, ratio, classes):
        super().__init__()
        self.positional_emb = nn.Parameter(torch.zeros(1, tokens, width))
        self.blocks = nn.ModuleList(CctBlock(width, heads, ratio) for _ in range(blocks))
        self.norm, self.attention_pool, self.fc = nn.LayerNorm(width), nn.Linear(width, 1), nn.Linear(width, classes)

    def forward(self, x):
        x = x + self.positional_emb
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.fc((F.softmax(self.attention_pool(x), dim=1).transpose(1, 2) @ x).squeeze(1))


class Cct(nn.Module):
    def __init__(self, image, convolutions, width, blocks, heads, ratio, classes):
        super().__init__()
        self.tokenizer = CctTokenizer(convolutions, width)
        self.classifier = CctClassifier((image >> convolutions) ** 2, width, blocks, heads, ratio, classes)

    def forward(self, x):
        return self.classifier(self.tokenizer(x))


def tiny_vit(shape):
    from timm.models.tiny_vit import TinyVit

    return TinyVit(
        num_classes=shape["classes"],
        embed_dims=shape["widths"],
        depths=shape["depths"],
        num_heads=shape["heads"],
        window_sizes=shape["windows"],
        drop_path_rate=0.0,
    )


def mnasnet(shape):
    import timm

    return timm.create_model("semnasnet_100", num_classes=shape["classes"])


def main():
    name, weights, values, shape = sys.argv[1:]
    shape = json.loads(shape)
    torch.set_num_threads(1)
    model = {"cct": lambda: Cct(**shape), "tiny-vit": lambda: tiny_vit(shape), "mnasnet": lambda: mnasnet(shape)}[name]()
    state = load_file(weights)
    lacking, surplus = model.load_state_dict(state, strict=False)
    lacking = [key for key in lacking if not key.endswith("num_batches_tracked")]
    assert not lacking and not surplus, (lacking, surplus)
    model = model.eval().double()
    image = np.fromfile(values, np.float32).astype(np.float64)
    side = int((len(image) / 3) ** 0.5)
    with torch.no_grad():
        out = model(torch.tensor(image).reshape(1, side, side, 3).permute(0, 3, 1, 2))
    print(json.dumps(out[0].tolist()))


if __name__ == "__main__":
    main()
