"""A training step of diffusion in pixels: noise, dropped labels, UNet2DModel, squared error, clipping, AdamW, average."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from diffusion_layers import Attention, Downsample2D, ResnetBlock2D, Upsample2D
from generator_layers import Average, adam, batch_of, count


class PixelAttention(nn.Module):
    def __init__(self, channels, groups, head):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, 1e-5)
        self.attention = Attention(channels, channels // head, bias=True)

    def forward(self, x):
        rows = self.group_norm(x).flatten(2).transpose(1, 2)
        return self.attention(rows).transpose(1, 2).reshape(x.shape) + x


class UNet2DModel(nn.Module):
    def __init__(self, channels, groups, head, classes):
        super().__init__()
        time = 4 * channels[0]
        last = len(channels) - 1
        block = lambda inputs, outputs: ResnetBlock2D(inputs, outputs, groups, 1e-5, time)
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.linear_1, self.linear_2 = nn.Linear(channels[0], time), nn.Linear(time, time)
        self.class_embedding = nn.Embedding(classes + 1, time)
        self.down, skips = nn.ModuleList(), [channels[0]]
        for level, size in enumerate(channels):
            parts = nn.ModuleDict({"resnet": block(channels[max(0, level - 1)], size)})
            if level == last:
                parts["attention"] = PixelAttention(size, groups, head)
            else:
                parts["resample"] = Downsample2D(size, 1)
            skips += [size] * (1 if level == last else 2)
            self.down.append(parts)
        self.mid = nn.ModuleList(
            [block(channels[-1], channels[-1]), PixelAttention(channels[-1], groups, head), block(channels[-1], channels[-1])]
        )
        self.up, below = nn.ModuleList(), channels[-1]
        for level in reversed(range(len(channels))):
            size = channels[level]
            first, second = skips.pop(), skips.pop()
            parts = nn.ModuleDict({"resnets": nn.ModuleList([block(below + first, size), block(size + second, size)])})
            if level == last:
                parts["attentions"] = nn.ModuleList(PixelAttention(size, groups, head) for _ in range(2))
            if level > 0:
                parts["resample"] = Upsample2D(size)
            self.up.append(parts)
            below = size
        self.norm_out = nn.GroupNorm(groups, channels[0], 1e-5)
        self.conv_out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, x, timesteps, labels):
        half = self.conv_in.out_channels // 2
        frequencies = torch.exp(torch.arange(half) * (-math.log(10_000) / half))
        angles = timesteps.float()[:, None] * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], 1)
        time = self.linear_2(F.silu(self.linear_1(waves))) + self.class_embedding(labels)
        h = self.conv_in(x)
        skips = [h]
        for parts in self.down:
            h = parts["resnet"](h, time)
            h = parts["attention"](h) if "attention" in parts else h
            skips.append(h)
            if "resample" in parts:
                h = parts["resample"](h)
                skips.append(h)
        h = self.mid[2](self.mid[1](self.mid[0](h, time)), time)
        for parts in self.up:
            for i, resnet in enumerate(parts["resnets"]):
                h = resnet(torch.cat([h, skips.pop()], 1), time)
                h = parts["attentions"][i](h) if "attentions" in parts else h
            h = parts["resample"](h) if "resample" in parts else h
        return self.conv_out(F.silu(self.norm_out(h)))


def prepare(batch, size, classes, channels, groups, head, timesteps):
    model = UNet2DModel(channels, groups, head, classes).to(memory_format=torch.channels_last)
    optimizer, average = adam(model.parameters()), Average(model)
    x, labels = batch_of(batch, size, classes)
    share = (torch.arange(timesteps + 1) / timesteps + 0.008) / 1.008
    cosine = (share * math.pi / 2).cos().square()
    abar = (1 - (1 - cosine[1:] / cosine[:-1]).clamp(max=0.999)).cumprod(0)
    signal, sigma = abar.sqrt(), (1 - abar).sqrt()

    def step():
        noise = torch.randn_like(x)
        t = torch.randint(timesteps, (batch,))
        noisy = x * signal[t].view(-1, 1, 1, 1) + noise * sigma[t].view(-1, 1, 1, 1)
        told = torch.where(torch.rand(batch) < 0.1, classes, labels)
        loss = (model(noisy, t, told) - noise).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        average.update()
        return loss.detach()

    return step, count(model)
