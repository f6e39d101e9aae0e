"""A training step of a class-conditional DCGAN: discriminator, R1 every fourth step, generator, AdamW, average."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from generator_layers import Average, adam, batch_of, count, levels


class Up(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        self.norm = nn.GroupNorm(8, outputs)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


class Generator(nn.Module):
    def __init__(self, size, classes, latent, width):
        super().__init__()
        steps = levels(size, width)[::-1]
        self.smallest = steps[0]
        self.class_embedding = nn.Embedding(classes, latent)
        self.linear_in = nn.Linear(2 * latent, self.smallest[1] * self.smallest[0] ** 2)
        self.norm_in = nn.GroupNorm(8, self.smallest[1])
        self.blocks = nn.Sequential(*(Up(a[1], b[1]) for a, b in zip(steps, steps[1:])))
        self.norm_out = nn.GroupNorm(8, width)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z, labels):
        size, channels = self.smallest
        first = self.linear_in(torch.cat([z, self.class_embedding(labels)], 1)).view(-1, channels, size, size)
        h = self.blocks(self.norm_in(first).relu())
        return self.conv_out(self.norm_out(h).relu()).tanh()


class Discriminator(nn.Module):
    def __init__(self, size, classes, width):
        super().__init__()
        steps = levels(size, width)
        self.conv_in = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv2d(a[1], b[1], 4, stride=2, padding=1) for a, b in zip(steps, steps[1:])
        )
        self.linear_out = nn.Linear(steps[-1][1], 1)
        self.class_embedding = nn.Embedding(classes, steps[-1][1])

    def forward(self, x, labels):
        h = F.leaky_relu(self.conv_in(x), 0.2)
        for block in self.blocks:
            h = F.leaky_relu(block(h), 0.2)
        pooled = F.leaky_relu(h, 0.2).mean((2, 3))
        return self.linear_out(pooled).squeeze(1) + (self.class_embedding(labels) * pooled).mean(1)


def prepare(batch, size, classes, latent, width, r1):
    generator = Generator(size, classes, latent, width).to(memory_format=torch.channels_last)
    discriminator = Discriminator(size, classes, width).to(memory_format=torch.channels_last)
    ours = adam(generator.parameters(), (0.0, 0.99))
    theirs = adam(discriminator.parameters(), (0.0, 0.99))
    average = Average(generator)
    x, labels = batch_of(batch, size, classes)
    every, turn = 4, 0

    def step():
        nonlocal turn
        with torch.no_grad():
            fake = generator(torch.randn(batch, latent), labels)
        on_real, on_fake = discriminator(x, labels), discriminator(fake, labels)
        loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        own = loss.detach()
        if turn % every == 0:
            at = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(discriminator(at, labels).sum(), [at], create_graph=True)
            loss = loss + gradient.square().flatten(1).sum(1).mean() * (r1 * every / 2)
        turn += 1
        theirs.zero_grad(set_to_none=True)
        loss.backward()
        theirs.step()
        divergence = math.log(2) - (
            F.softplus(-on_real.detach()).mean() + F.softplus(on_fake.detach()).mean()
        ) / 2
        lost = F.softplus(-discriminator(generator(torch.randn(batch, latent), labels), labels)).mean()
        ours.zero_grad(set_to_none=True)
        torch.autograd.backward([lost], inputs=list(generator.parameters()))
        ours.step()
        average.update()
        return own, lost.detach(), divergence

    return step, count(generator)
