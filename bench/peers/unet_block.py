"""A training step of one level of a diffusion UNet: residual block with time, self- and cross-attention, convolution."""

import torch
from torch import nn
from torch.nn import functional as F

from diffusion_layers import ResnetBlock2D
from unet import Transformer2DModel


class Level(nn.Module):
    def __init__(self, channels, heads, context, groups):
        super().__init__()
        self.resnet = ResnetBlock2D(channels, channels, groups, 1e-5, 4 * channels)
        self.attention = Transformer2DModel(channels, heads, context, groups, linear=False, layers=1)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, time, context):
        return self.conv(self.attention(self.resnet(x, time), context))


def prepare(batch, size, channels, heads, context, tokens, groups):
    model = Level(channels, heads, context, groups)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    latents = torch.randn(batch, channels, size, size)
    noise = torch.randn(batch, channels, size, size)
    time = torch.randn(batch, 4 * channels)
    words = torch.randn(batch, tokens, context)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(model(latents, time, words), noise).backward()
        optimizer.step()

    return step, {"parameters": sum(parameter.numel() for parameter in model.parameters())}
