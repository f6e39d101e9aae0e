"""Diffusers' AutoencoderKL in plain torch."""

import torch
from torch import nn
from torch.nn import functional as F

from diffusion_layers import Attention, Downsample2D, ResnetBlock2D, Upsample2D

EPS = 1e-6


class VaeAttention(Attention):
    def __init__(self, channels, groups):
        super().__init__(channels, 1, bias=True)
        self.group_norm = nn.GroupNorm(groups, channels, EPS)

    def forward(self, x):
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)  # [B, C, H, W] -> [B, HW, C]
        return x + super().forward(tokens).transpose(1, 2).reshape(x.shape)


def mid_block(channels, groups, with_attention):
    block = nn.Module()
    block.resnets = nn.ModuleList(ResnetBlock2D(channels, channels, groups, EPS) for _ in range(2))
    block.attentions = nn.ModuleList([VaeAttention(channels, groups)] if with_attention else [])
    return block


def run_mid(block, x):
    x = block.resnets[0](x)
    for attention in block.attentions:
        x = attention(x)
    return block.resnets[1](x)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, groups = config["block_out_channels"], config["norm_num_groups"]
        self.conv_in = nn.Conv2d(config["in_channels"], channels[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for level, outputs in enumerate(channels):
            block = nn.Module()
            inputs = channels[max(level - 1, 0)]
            block.resnets = nn.ModuleList(
                ResnetBlock2D(inputs if i == 0 else outputs, outputs, groups, EPS)
                for i in range(config["layers_per_block"])
            )
            block.downsamplers = nn.ModuleList([Downsample2D(outputs, 0)] if level < len(channels) - 1 else [])
            self.down_blocks.append(block)
        self.mid_block = mid_block(channels[-1], groups, config.get("mid_block_add_attention", True))
        self.conv_norm_out = nn.GroupNorm(groups, channels[-1], EPS)
        self.conv_out = nn.Conv2d(channels[-1], 2 * config["latent_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            for layer in [*block.resnets, *block.downsamplers]:
                x = layer(x)
        return self.conv_out(F.silu(self.conv_norm_out(run_mid(self.mid_block, x))))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, groups = config["block_out_channels"][::-1], config["norm_num_groups"]
        self.conv_in = nn.Conv2d(config["latent_channels"], channels[0], 3, padding=1)
        self.mid_block = mid_block(channels[0], groups, config.get("mid_block_add_attention", True))
        self.up_blocks = nn.ModuleList()
        for level, outputs in enumerate(channels):
            block = nn.Module()
            inputs = channels[max(level - 1, 0)]
            block.resnets = nn.ModuleList(
                ResnetBlock2D(inputs if i == 0 else outputs, outputs, groups, EPS)
                for i in range(config["layers_per_block"] + 1)
            )
            block.upsamplers = nn.ModuleList([Upsample2D(outputs)] if level < len(channels) - 1 else [])
            self.up_blocks.append(block)
        self.conv_norm_out = nn.GroupNorm(groups, channels[-1], EPS)
        self.conv_out = nn.Conv2d(channels[-1], config["out_channels"], 3, padding=1)

    def forward(self, latents):
        x = run_mid(self.mid_block, self.conv_in(latents))
        for block in self.up_blocks:
            for layer in [*block.resnets, *block.upsamplers]:
                x = layer(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class AutoencoderKL(nn.Module):
    def __init__(self, config):
        super().__init__()
        latents = config["latent_channels"]
        self.scaling_factor = config["scaling_factor"]
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.get("use_quant_conv", True):
            self.quant_conv = nn.Conv2d(2 * latents, 2 * latents, 1)
        if config.get("use_post_quant_conv", True):
            self.post_quant_conv = nn.Conv2d(latents, latents, 1)

    def moments(self, images):
        """Mean and logarithm of the variance of the latents' distribution."""
        moments = self.encoder(images)
        moments = self.quant_conv(moments) if hasattr(self, "quant_conv") else moments
        mean, logvar = moments.chunk(2, dim=1)
        return mean, logvar.clamp(-30.0, 20.0)

    def decode(self, latents):
        return self.decoder(self.post_quant_conv(latents) if hasattr(self, "post_quant_conv") else latents)
