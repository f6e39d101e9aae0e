"""A training step of a class-conditional convolutional VAE: squared error, KL divergence, clipping, AdamW, average."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from generator_layers import Average, adam, batch_of, count, levels


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1, double=False):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(8, outputs)
        self.double = double

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2.0, mode="nearest") if self.double else x
        return F.silu(self.norm(self.conv(x)))


class Vae(nn.Module):
    def __init__(self, size, classes, latent, width):
        super().__init__()
        steps = levels(size, width)
        self.smallest = steps[-1]
        features = self.smallest[1] * self.smallest[0] ** 2
        self.encoder = nn.Sequential(
            Block(3, width), *(Block(a[1], b[1], stride=2) for a, b in zip(steps, steps[1:]))
        )
        self.class_embedding = nn.Embedding(classes, latent)
        self.moments = nn.Linear(features + latent, 2 * latent)
        self.decoder_in = nn.Linear(2 * latent, features)
        up = steps[::-1]
        self.decoder = nn.Sequential(*(Block(a[1], b[1], double=True) for a, b in zip(up, up[1:])))
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x, labels):
        told = self.class_embedding(labels)
        features = torch.cat([self.encoder(x).flatten(1), told], 1)
        mean, logvar = self.moments(features).chunk(2, 1)
        logvar = logvar.clamp(-30, 20)
        z = mean + (0.5 * logvar).exp() * torch.randn_like(mean)
        size, channels = self.smallest
        first = F.silu(self.decoder_in(torch.cat([z, told], 1))).view(-1, channels, size, size)
        return mean, logvar, self.conv_out(self.decoder(first))


def prepare(batch, size, classes, latent, width):
    model = Vae(size, classes, latent, width).to(memory_format=torch.channels_last)
    optimizer, average = adam(model.parameters()), Average(model)
    x, labels = batch_of(batch, size, classes)

    def step():
        mean, logvar, output = model(x, labels)
        density = ((output - x).square() + math.log(2 * math.pi)).mul(-0.5).flatten(1).sum(1)
        kl = (mean.square() + logvar.exp() - 1 - logvar) * 0.5
        loss = 0.02 * kl.mean(0).sum() - density.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 100)
        optimizer.step()
        average.update()
        return loss.detach(), -density.detach().mean(), kl.detach().sum(1).mean()

    return step, count(model)
