"""What pytorch-ddpm's and improved-diffusion's networks compute, written down from their architecture.

A forward makes the weights that it asks for, under the names in these codes' files.
"""

import math

import torch
from torch.nn import functional as F


class Weights(dict):
    def layer(self, name, *shape):
        if f"{name}.weight" not in self:
            self[f"{name}.weight"] = torch.randn(shape) * (math.prod(shape[1:]) ** -0.5 if shape[1:] else 1.0)
            self[f"{name}.bias"] = 0.3 * torch.randn(shape[0])
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def conv(self, name, x, out, side=3, **options):
        return F.conv2d(x, *self.layer(name, out, x.shape[1], side, side), padding=side // 2, **options)

    def norm(self, name, x):
        return F.group_norm(x, 32, *self.layer(name, x.shape[1]), eps=1e-5)

    def linear(self, name, x, out):
        return F.linear(x, *self.layer(name, out, x.shape[1]))


def doubled(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def angles(k, width):
    half = width // 2
    return k[:, None].float() * torch.tensor([10_000 ** (-i / half) for i in range(half)])


def attend(q, k, v):
    """(…, C, N), one head."""
    return v @ (q.transpose(-1, -2) @ k / q.shape[-2] ** 0.5).softmax(-1).transpose(-1, -2)


def pytorch_ddpm(w, x, k, width=32, mults=(1, 2), attn=(1,), blocks=1):
    """ε at index k."""
    a = angles(k, width)
    table = torch.stack([a.sin(), a.cos()], -1).flatten(1)
    w["time_embedding.timembedding.0.weight"] = torch.zeros(1000, width)
    e = w.linear("time_embedding.timembedding.1", table, 4 * width)
    e = w.linear("time_embedding.timembedding.3", F.silu(e), 4 * width)

    def block(name, x, out, attends):
        h = w.conv(f"{name}.block1.2", F.silu(w.norm(f"{name}.block1.0", x)), out)
        h = h + w.linear(f"{name}.temb_proj.1", F.silu(e), out)[..., None, None]
        h = w.conv(f"{name}.block2.3", F.silu(w.norm(f"{name}.block2.0", h)), out)
        h = h + (x if x.shape[1] == out else w.conv(f"{name}.shortcut", x, out, 1))
        if not attends:
            return h
        n = w.norm(f"{name}.attn.group_norm", h)
        q, key, v = (w.conv(f"{name}.attn.proj_{part}", n, out, 1).flatten(2) for part in "qkv")
        return h + w.conv(f"{name}.attn.proj", attend(q, key, v).view_as(h), out, 1)

    h = w.conv("head", x, width)
    skips, i = [h], 0
    for level, mult in enumerate(mults):
        for _ in range(blocks):
            h = block(f"downblocks.{i}", h, width * mult, level in attn)
            skips.append(h)
            i += 1
        if level < len(mults) - 1:
            h = w.conv(f"downblocks.{i}.main", h, h.shape[1], stride=2)
            skips.append(h)
            i += 1
    h = block("middleblocks.1", block("middleblocks.0", h, h.shape[1], True), h.shape[1], False)
    i = 0
    for level in reversed(range(len(mults))):
        for _ in range(blocks + 1):
            h = block(f"upblocks.{i}", torch.cat([h, skips.pop()], 1), width * mults[level], level in attn)
            i += 1
        if level:
            h = w.conv(f"upblocks.{i}.main", doubled(h), h.shape[1])
            i += 1
    return w.conv("tail.2", F.silu(w.norm("tail.0", h)), x.shape[1])


def improved_diffusion(w, x, k, y=None, width=32, mults=(1, 2), attn=(1,), blocks=2, heads=4, sigma=False):
    """ε at index k, and the variance's interpolation if sigma."""
    a = angles(k, width)
    e = w.linear("time_embed.0", torch.cat([a.cos(), a.sin()], 1), 4 * width)
    e = w.linear("time_embed.2", F.silu(e), 4 * width)
    if y is not None:
        w.setdefault("label_emb.weight", torch.randn(5, 4 * width))
        e = e + w["label_emb.weight"][y]

    def block(name, x, out):
        h = w.conv(f"{name}.in_layers.2", F.silu(w.norm(f"{name}.in_layers.0", x)), out)
        h = h + w.linear(f"{name}.emb_layers.1", F.silu(e), out)[..., None, None]
        h = w.conv(f"{name}.out_layers.3", F.silu(w.norm(f"{name}.out_layers.0", h)), out)
        return h + (x if x.shape[1] == out else w.conv(f"{name}.skip_connection", x, out, 1))

    def attention(name, h):
        n, c = w.norm(f"{name}.norm", h).flatten(2), h.shape[1]
        qkv = F.conv1d(n, *w.layer(f"{name}.qkv", 3 * c, c, 1))
        parts = [attend(*head.chunk(3, dim=1)) for head in qkv.chunk(heads, dim=1)]
        return h + F.conv1d(torch.cat(parts, 1), *w.layer(f"{name}.proj_out", c, c, 1)).view_as(h)

    h = w.conv("input_blocks.0.0", x, width)
    skips, i = [h], 1
    for level, mult in enumerate(mults):
        for _ in range(blocks):
            h = block(f"input_blocks.{i}.0", h, width * mult)
            h = attention(f"input_blocks.{i}.1", h) if level in attn else h
            skips.append(h)
            i += 1
        if level < len(mults) - 1:
            h = w.conv(f"input_blocks.{i}.0.op", h, h.shape[1], stride=2)
            skips.append(h)
            i += 1
    h = attention("middle_block.1", block("middle_block.0", h, h.shape[1]))
    h = block("middle_block.2", h, h.shape[1])
    i = 0
    for level in reversed(range(len(mults))):
        for number in range(blocks + 1):
            h = block(f"output_blocks.{i}.0", torch.cat([h, skips.pop()], 1), width * mults[level])
            h = attention(f"output_blocks.{i}.1", h) if level in attn else h
            if level and number == blocks:
                h = w.conv(f"output_blocks.{i}.{1 + (level in attn)}.conv", doubled(h), h.shape[1])
            i += 1
    return w.conv("out.2", F.silu(w.norm("out.0", h)), x.shape[1] * (1 + sigma))
