"""Diffusers' UNet2DConditionModel for Stable Diffusion 1.x and 2.x, in plain torch."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from diffusion_layers import Attention, Downsample2D, ResnetBlock2D, Upsample2D


class FeedForward(nn.Module):
    def __init__(self, channels):
        super().__init__()
        gate = nn.Module()
        gate.proj = nn.Linear(channels, channels * 8)
        self.net = nn.ModuleList([gate, nn.Dropout(0), nn.Linear(channels * 4, channels)])

    def forward(self, x):
        value, gate = self.net[0].proj(x).chunk(2, dim=-1)
        return self.net[2](value * F.gelu(gate))


class BasicTransformerBlock(nn.Module):
    def __init__(self, channels, heads, context_channels):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, heads, context_channels)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x, context):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2DModel(nn.Module):
    def __init__(self, channels, heads, context_channels, groups, linear, layers):
        super().__init__()
        self.linear = linear
        self.norm = nn.GroupNorm(groups, channels, 1e-6)
        project = (lambda: nn.Linear(channels, channels)) if linear else (lambda: nn.Conv2d(channels, channels, 1))
        self.proj_in = project()
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(channels, heads, context_channels) for _ in range(layers)
        )
        self.proj_out = project()

    def forward(self, x, context):
        batch, channels, height, width = x.shape
        hidden = self.norm(x)
        if not self.linear:
            hidden = self.proj_in(hidden)
        hidden = hidden.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        if self.linear:
            hidden = self.proj_in(hidden)
        for block in self.transformer_blocks:
            hidden = block(hidden, context)
        if self.linear:
            hidden = self.proj_out(hidden)
        hidden = hidden.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        if not self.linear:
            hidden = self.proj_out(hidden)
        return x + hidden


class Block(nn.Module):
    """A level of the UNet, downwards or upwards: residual blocks, each followed by attention where there is any."""

    def __init__(self, resnets, attentions, downsampler=None, upsampler=None):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        if downsampler:
            self.downsamplers = nn.ModuleList([downsampler])
        if upsampler:
            self.upsamplers = nn.ModuleList([upsampler])

    def step(self, index, x, time, context):
        x = self.resnets[index](x, time)
        return self.attentions[index](x, context) if hasattr(self, "attentions") else x


class UNet2DConditionModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels = config["block_out_channels"]
        levels = len(channels)
        groups, eps, layers = config["norm_num_groups"], config.get("norm_eps", 1e-5), config["layers_per_block"]
        # diffusers' attention_head_dim is the number of heads here: an old mistake that the weights rely on.
        heads = config.get("num_attention_heads") or config["attention_head_dim"]
        heads = heads if isinstance(heads, list) else [heads] * levels
        context, linear = config["cross_attention_dim"], config.get("use_linear_projection", False)
        depth = config.get("transformer_layers_per_block", 1)
        time = channels[0] * 4
        self.time_channels = channels[0]

        def resnet(inputs, outputs):
            return ResnetBlock2D(inputs, outputs, groups, eps, time)

        def attention(level):
            return Transformer2DModel(channels[level], heads[level], context, groups, linear, depth)

        self.conv_in = nn.Conv2d(config["in_channels"], channels[0], 3, padding=1)
        self.time_embedding = nn.Module()
        self.time_embedding.linear_1 = nn.Linear(channels[0], time)
        self.time_embedding.linear_2 = nn.Linear(time, time)
        self.down_blocks = nn.ModuleList()
        skips = [channels[0]]
        for level, kind in enumerate(config["down_block_types"]):
            inputs = channels[max(level - 1, 0)]
            resnets = [resnet(inputs if i == 0 else channels[level], channels[level]) for i in range(layers)]
            attentions = [attention(level) for _ in range(layers)] if "CrossAttn" in kind else []
            last = level == levels - 1
            self.down_blocks.append(
                Block(resnets, attentions, downsampler=None if last else Downsample2D(channels[level], 1))
            )
            skips += [channels[level]] * (layers + (0 if last else 1))
        self.mid_block = Block([resnet(channels[-1], channels[-1]) for _ in range(2)], [attention(levels - 1)])
        self.up_blocks = nn.ModuleList()
        below = channels[-1]
        for index, kind in enumerate(config["up_block_types"]):
            level = levels - 1 - index
            resnets = []
            for _ in range(layers + 1):
                resnets.append(resnet(below + skips.pop(), channels[level]))
                below = channels[level]
            attentions = [attention(level) for _ in range(layers + 1)] if "CrossAttn" in kind else []
            self.up_blocks.append(Block(resnets, attentions, upsampler=Upsample2D(below) if level else None))
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], eps)
        self.conv_out = nn.Conv2d(channels[0], config["out_channels"], 3, padding=1)

    def forward(self, sample, timesteps, context):
        time = timestep_embedding(timesteps, self.time_channels)
        time = self.time_embedding.linear_2(F.silu(self.time_embedding.linear_1(time)))
        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            for index in range(len(block.resnets)):
                x = block.step(index, x, time, context)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, time)
        x = self.mid_block.attentions[0](x, context)
        x = self.mid_block.resnets[1](x, time)
        for block in self.up_blocks:
            for index in range(len(block.resnets)):
                x = block.step(index, torch.cat([x, skips.pop()], dim=1), time, context)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


def timestep_embedding(timesteps, channels):
    """Sinusoids, cosine first (flip_sin_to_cos), without a shift of the frequencies."""
    half = channels // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    angles = timesteps[:, None].float() * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
