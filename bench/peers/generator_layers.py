"""What the peers of the generators' training steps share: a fixed batch, averages of weights, optimizers."""

import copy

import torch


def batch_of(batch, size, classes):
    x = torch.randn(batch, 3, size, size).tanh().to(memory_format=torch.channels_last)
    return x, torch.arange(batch) % classes


def levels(size, width):
    """Sizes and channels from the image to the smallest map: halved while it is even and above 4."""
    found = [(size, width)]
    while size > 4 and size % 2 == 0:
        size //= 2
        found.append((size, min(8 * width, 2 * found[-1][1])))
    return found


def adam(parameters, betas=(0.9, 0.99)):
    return torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0, betas=betas, fused=True)


class Average:
    """Exponential moving average of a network's weights."""

    def __init__(self, network, decay=0.99):
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.pairs = [list(self.network.parameters()), list(network.parameters())]
        self.decay = decay

    @torch.no_grad()
    def update(self):
        torch._foreach_lerp_(self.pairs[0], self.pairs[1], 1 - self.decay)


def count(network):
    return {"parameters": sum(parameter.numel() for parameter in network.parameters())}
