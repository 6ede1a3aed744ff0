"""Networks of papers by PyTorch's modules: outputs in float64 as JSON on stdout.

    python networks.py NAME WEIGHTS.safetensors INPUT.f32 SHAPE.json

timm has MnasNet-A1 and TinyViT. CCT and ElasticViT are written down here from their authors' formulas, in torch.nn's parts.
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


class ElasticMobile(nn.Module):
    """A MobileBlock of microsoft/Moonlit at fixed sizes."""

    def __init__(self, channels, out, expansion, stride, se):
        super().__init__()
        inner = channels * expansion
        self.stride = stride
        if expansion > 1:
            self.pw, self.pw_bn = nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.dw = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
        self.dw_bn = nn.BatchNorm2d(inner)
        if se:
            self.se1, self.se2 = nn.Conv2d(inner, inner // 4, 1), nn.Conv2d(inner // 4, inner, 1)
        self.pwl, self.pwl_bn = nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)
        if channels != out:
            self.shortcut = nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x):
        y = F.hardswish(self.pw_bn(self.pw(x))) if hasattr(self, "pw") else x
        y = F.hardswish(self.dw_bn(self.dw(y)))
        if hasattr(self, "se1"):
            y = y * F.hardsigmoid(self.se2(F.relu(self.se1(F.adaptive_avg_pool2d(y, 1)))))
        y = self.pwl_bn(self.pwl(y))
        x = F.avg_pool2d(x, 2) if self.stride == 2 else x
        return y + (self.shortcut(x) if hasattr(self, "shortcut") else x)


class ElasticNorm(nn.Module):
    """LNSuper: over tokens and channels together, with a scale and a shift a channel."""

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.layer_norm(x, x.shape[1:], self.weight.expand(x.shape[1:]), self.bias.expand(x.shape[1:]))


class ElasticBlock(nn.Module):
    def __init__(self, channels, out, side, ratio, stride, first):
        super().__init__()
        self.side, self.heads = side, out // 16
        if first:
            self.reduction = ElasticMobile(channels, out, 6, stride, True)
        self.norm1, self.norm2 = ElasticNorm(out), ElasticNorm(out)
        self.qkv = nn.Linear(out, self.heads * 64, bias=False)
        self.dw_v = nn.Conv2d(2 * out, 2 * out, 3, 1, 1, groups=2 * out, bias=False)
        self.bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, self.heads))
        self.proj = nn.Linear(2 * out, out)
        self.fc1, self.fc2 = nn.Linear(out, ratio * out), nn.Linear(ratio * out, out)

    def attention(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, self.heads, -1).split([16, 16, 32], dim=3)
        image = v.reshape(b, n, -1).transpose(1, 2).reshape(b, -1, self.side, self.side)
        v = self.dw_v(image).flatten(2).transpose(1, 2).view(b, n, self.heads, 32)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        at = torch.stack(torch.meshgrid(torch.arange(self.side), torch.arange(self.side), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None, :] + self.side - 1
        bias = self.bias_table[apart[0] * (2 * self.side - 1) + apart[1]].permute(2, 0, 1)
        out = ((q @ k.transpose(-2, -1)) * 16**-0.5 + bias).softmax(-1) @ v
        return self.proj(F.hardswish(out.transpose(1, 2).reshape(b, n, -1)))

    def forward(self, x):
        x = self.reduction(x) if hasattr(self, "reduction") else x
        shape = x.shape
        x = x.flatten(2).transpose(1, 2)
        x = x + self.attention(self.norm1(x))
        x = x + self.fc2(F.hardswish(self.fc1(self.norm2(x))))
        return x.transpose(1, 2).reshape(shape)


class ElasticVit(nn.Module):
    def __init__(self, image, channels, depths, ratios, classes):
        super().__init__()
        self.first_conv = nn.Conv2d(3, channels[0], 3, 2, 1, bias=False)
        self.first_conv_bn = nn.BatchNorm2d(channels[0])
        self.stem = nn.Sequential(*(ElasticMobile(channels[0], channels[0], 1, 1, False) for _ in range(depths[0])))
        side, stages = image // 2, []
        for s, stride in enumerate([2, 2, 2, 1, 2, 2]):
            side //= stride
            blocks = []
            for i in range(depths[s + 1]):
                before, out = channels[s] if i == 0 else channels[s + 1], channels[s + 1]
                if s < 2:
                    blocks.append(ElasticMobile(before, out, 3, stride if i == 0 else 1, s > 0))
                else:
                    blocks.append(ElasticBlock(before, out, side, ratios[s - 2], stride, i == 0))
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        last = channels[-1]
        self.head_0, self.head_norm = nn.Linear(last, 6 * last), nn.BatchNorm1d(6 * last)
        self.head_1, self.classifier = nn.Linear(6 * last, 1984), nn.Linear(1984, classes)

    def forward(self, x):
        x = self.stages(self.stem(F.hardswish(self.first_conv_bn(self.first_conv(x)))))
        x = self.head_0(x.flatten(2).transpose(1, 2))
        x = F.hardswish(self.head_norm(x.transpose(1, 2)).transpose(1, 2)).mean(1)
        return self.classifier(F.hardswish(self.head_1(x)))


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
    makers = {"cct": lambda: Cct(**shape), "tiny-vit": lambda: tiny_vit(shape), "mnasnet": lambda: mnasnet(shape)}
    makers["elastic-vit"] = lambda: ElasticVit(**shape)
    model = makers[name]()
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
